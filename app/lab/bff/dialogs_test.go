package bff

import (
	"testing"

	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
)

func TestPeerDialogs(t *testing.T) {
	w := newWorld(t, Config{})
	ada, bob := w.client(100), w.client(200)
	ada.logIn(t, "15550001", "Ada")
	bobUser := bob.logIn(t, "15550002", "Bob")
	eve := w.client(300).logIn(t, "15550003", "Eve")
	ada.say(t, bobUser, "one", 1)
	ada.say(t, bobUser, "two", 2)

	got, err := ada.MessagesGetPeerDialogs(t.Context(), []tg.InputDialogPeerClass{
		&tg.InputDialogPeer{Peer: inputPeer(bobUser)}, &tg.InputDialogPeer{Peer: inputPeer(eve)}, &tg.InputDialogPeerFolder{FolderID: 1},
	})
	require.NoError(t, err)
	require.Len(t, got.Dialogs, 2)
	require.Equal(t, 2, got.Dialogs[0].(*tg.Dialog).TopMessage)
	require.Zero(t, got.Dialogs[1].(*tg.Dialog).TopMessage, "nothing was said yet")
	require.Len(t, got.Messages, 1)
	require.Len(t, got.Users, 3)
	require.Equal(t, 3, got.State.Pts)

	_, err = ada.MessagesGetPeerDialogs(t.Context(), []tg.InputDialogPeerClass{&tg.InputDialogPeer{Peer: &tg.InputPeerEmpty{}}})
	requireRPCError(t, err, 400, "PEER_ID_INVALID")
	_, err = ada.MessagesGetPeerDialogs(t.Context(), repeated(maxPage+1, func() tg.InputDialogPeerClass { return &tg.InputDialogPeer{Peer: &tg.InputPeerSelf{}} }))
	requireRPCError(t, err, 400, "INPUT_REQUEST_INVALID")

	pinned, err := ada.MessagesGetPinnedDialogs(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, pinned.Dialogs)
	require.Equal(t, 3, pinned.State.Pts)

	archived := &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}}
	archived.SetFolderID(archive)
	dialogs, err := ada.MessagesGetDialogs(t.Context(), archived)
	require.NoError(t, err)
	require.Empty(t, dialogs.(*tg.MessagesDialogs).Dialogs)
}

func repeated[T any](n int, one func() T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = one()
	}
	return out
}

func TestSearch(t *testing.T) {
	w := newWorld(t, Config{})
	ada := w.client(100)
	ada.logIn(t, "15550001", "Ada")
	bob := w.client(200).logIn(t, "15550002", "Bob")
	me := &tg.User{ID: ada.user}
	ada.say(t, bob, "Hello Bob", 1)
	ada.say(t, me, "hello me", 2)
	ada.say(t, bob, "bye", 3)

	search := func(peer tg.InputPeerClass, filter tg.MessagesFilterClass, text string, limit int) tg.MessagesMessagesClass {
		found, err := ada.MessagesSearch(t.Context(), &tg.MessagesSearchRequest{Peer: peer, Q: text, Filter: filter, Limit: limit})
		require.NoError(t, err)
		return found
	}
	texts := func(found tg.MessagesMessagesClass) (out []string) {
		modified, ok := found.AsModified()
		require.True(t, ok)
		for _, m := range modified.GetMessages() {
			out = append(out, m.(*tg.Message).Message)
		}
		return out
	}
	all := &tg.InputMessagesFilterEmpty{}
	require.Equal(t, []string{"Hello Bob"}, texts(search(inputPeer(bob), all, "hello", 0)))
	require.Equal(t, []string{"hello me", "Hello Bob"}, texts(search(&tg.InputPeerEmpty{}, all, "hello", 0)))
	require.Empty(t, texts(search(inputPeer(bob), &tg.InputMessagesFilterPhotos{}, "", 0)))
	slice := search(inputPeer(bob), all, "", 1)
	require.Equal(t, 2, slice.(*tg.MessagesMessagesSlice).Count)
	_, err := ada.MessagesSearch(t.Context(), &tg.MessagesSearchRequest{Peer: &tg.InputPeerChat{ChatID: 1}, Filter: all})
	requireRPCError(t, err, 400, "PEER_ID_INVALID")

	counters, err := ada.MessagesGetSearchCounters(t.Context(), &tg.MessagesGetSearchCountersRequest{
		Peer: inputPeer(bob), Filters: []tg.MessagesFilterClass{all, &tg.InputMessagesFilterDocument{}},
	})
	require.NoError(t, err)
	require.Equal(t, []int{2, 0}, []int{counters[0].Count, counters[1].Count})

	got, err := ada.MessagesGetMessages(t.Context(), []tg.InputMessageClass{&tg.InputMessageID{ID: 3}, &tg.InputMessageID{ID: 4}, &tg.InputMessageID{ID: -1}})
	require.NoError(t, err)
	messages := got.(*tg.MessagesMessages).Messages
	require.Equal(t, "bye", messages[0].(*tg.Message).Message)
	require.IsType(t, (*tg.MessageEmpty)(nil), messages[1])
	require.IsType(t, (*tg.MessageEmpty)(nil), messages[2])

	read, err := ada.MessagesReadHistory(t.Context(), &tg.MessagesReadHistoryRequest{Peer: inputPeer(bob), MaxID: 3})
	require.NoError(t, err)
	require.Equal(t, &tg.MessagesAffectedMessages{Pts: 4}, read)
	read, err = ada.MessagesReadMessageContents(t.Context(), []int{1})
	require.NoError(t, err)
	require.Equal(t, 4, read.Pts)
}

func TestPhones(t *testing.T) {
	w := newWorld(t, Config{})
	ada := w.client(100)
	ada.logIn(t, "15550001", "Ada")
	bob := w.client(200).logIn(t, "15550002", "Bob")
	found, err := ada.ContactsResolvePhone(t.Context(), "+1 555 0002")
	require.NoError(t, err)
	require.Equal(t, &tg.PeerUser{UserID: bob.ID}, found.Peer)
	_, err = ada.ContactsResolvePhone(t.Context(), "15550009")
	requireRPCError(t, err, 400, "PHONE_NOT_OCCUPIED")
	imported, err := ada.ContactsImportContacts(t.Context(), []tg.InputPhoneContact{{ClientID: 7, Phone: "15550002"}, {ClientID: 8, Phone: "15550009"}})
	require.NoError(t, err)
	require.Equal(t, []tg.ImportedContact{{UserID: bob.ID, ClientID: 7}}, imported.Imported)
	require.Len(t, imported.Users, 1)
}

// Another code replaces the first, and a code that was called off is none.
func TestResendAndCancelCode(t *testing.T) {
	d := newWorld(t, Config{}).client(100)
	const phone = "15550001"
	sent, err := d.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: phone})
	require.NoError(t, err)
	first := sent.(*tg.AuthSentCode).PhoneCodeHash
	sent, err = d.AuthResendCode(t.Context(), &tg.AuthResendCodeRequest{PhoneNumber: phone, PhoneCodeHash: first})
	require.NoError(t, err)
	second := sent.(*tg.AuthSentCode).PhoneCodeHash
	_, err = d.AuthResendCode(t.Context(), &tg.AuthResendCodeRequest{PhoneNumber: phone, PhoneCodeHash: first})
	requireRPCError(t, err, 400, "PHONE_CODE_EXPIRED")
	_, err = d.AuthCancelCode(t.Context(), &tg.AuthCancelCodeRequest{PhoneNumber: phone, PhoneCodeHash: first})
	requireRPCError(t, err, 400, "PHONE_CODE_EXPIRED")
	ok, err := d.AuthCancelCode(t.Context(), &tg.AuthCancelCodeRequest{PhoneNumber: phone, PhoneCodeHash: second})
	require.NoError(t, err)
	require.True(t, ok)
	_, err = d.AuthSignIn(t.Context(), &tg.AuthSignInRequest{PhoneNumber: phone, PhoneCodeHash: second, PhoneCode: DefaultCode})
	requireRPCError(t, err, 400, "PHONE_CODE_EXPIRED")
}
