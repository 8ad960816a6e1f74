package bff

import (
	"strconv"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// inputPeer is user as a client names them after it saw them.
func inputPeer(u *tg.User) tg.InputPeerClass { return u.AsInputPeer() }

func (d *client) say(t *testing.T, to *tg.User, text string, randomID int64) *tg.Updates {
	t.Helper()
	u, err := d.MessagesSendMessage(t.Context(), &tg.MessagesSendMessageRequest{Peer: inputPeer(to), Message: text, RandomID: randomID})
	require.NoError(t, err)
	require.IsType(t, (*tg.Updates)(nil), u)
	return u.(*tg.Updates)
}

func (w *world) updates(t *testing.T, p pushed) *tg.Updates {
	t.Helper()
	raw, err := w.schema.Encode(nil, w.schema.Message("Updates"), p.updates, tg.Layer)
	require.NoError(t, err)
	u, err := tg.DecodeUpdates(&bin.Buffer{Buf: raw})
	require.NoError(t, err)
	require.IsType(t, (*tg.Updates)(nil), u)
	return u.(*tg.Updates)
}

// newMessageIn is the message that an update brings.
func newMessageIn(t *testing.T, u tg.UpdateClass) (m *tg.Message, pts int) {
	t.Helper()
	require.IsType(t, (*tg.UpdateNewMessage)(nil), u)
	update := u.(*tg.UpdateNewMessage)
	require.Equal(t, 1, update.PtsCount)
	return update.Message.(*tg.Message), update.Pts
}

func TestMessageReachesEveryOtherDevice(t *testing.T) {
	for name, stream := range map[string]bool{"unary": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			node := newFakeSession(t)
			w := newWorld(t, Config{Stream: stream}, node)
			ada, ada2, bob := w.client(100), w.client(101), w.client(200)
			adaUser, _ := ada.logIn(t, "15550001", "Ada"), ada2.logIn(t, "15550001", "")
			bobUser := bob.logIn(t, "15550002", "Bob")
			for _, d := range []*client{ada, ada2, bob} {
				w.online.set(d.user, d.key, node.addr)
			}

			answer := ada.say(t, bobUser, "hello", 42)
			require.Equal(t, &tg.UpdateMessageID{ID: 1, RandomID: 42}, answer.Updates[0])
			sent, pts := newMessageIn(t, answer.Updates[1])
			require.True(t, sent.Out)
			require.Equal(t, 2, pts)

			got := map[int64]*tg.Updates{}
			for range 2 {
				p := node.next(t)
				require.Equal(t, stream, p.streamed)
				got[p.key] = w.updates(t, p)
			}
			require.Len(t, got, 2)
			require.NotContains(t, got, ada.key, "the sender has the answer")

			m, pts := newMessageIn(t, got[bob.key].Updates[0])
			require.Equal(t, "hello", m.Message)
			require.Equal(t, 2, pts)
			require.False(t, m.Out)
			require.Equal(t, &tg.PeerUser{UserID: adaUser.ID}, m.PeerID)
			require.Len(t, got[bob.key].Users, 2)

			m, _ = newMessageIn(t, got[ada2.key].Updates[0])
			require.True(t, m.Out)
			require.Equal(t, &tg.PeerUser{UserID: bobUser.ID}, m.PeerID)
		})
	}
}

// A node that status names but etcd does not is replaced by the ring's owner.
func TestPushFallsBackToTheOwner(t *testing.T) {
	node := newFakeSession(t)
	w := newWorld(t, Config{}, node)
	ada, bob := w.client(100), w.client(200)
	ada.logIn(t, "15550001", "Ada")
	bobUser := bob.logIn(t, "15550002", "Bob")
	w.online.set(bob.user, bob.key, "127.0.0.1:1")
	ada.say(t, bobUser, "hello", 1)
	require.Equal(t, bob.key, node.next(t).key)
}

// A node that died and is back gets the first push after that, too: by a stream
// that broke with it as by calls.
func TestPushAfterANodeDied(t *testing.T) {
	for name, stream := range map[string]bool{"unary": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			node := &fakeSession{pushes: make(chan pushed, 64)}
			var kill func()
			node.addr, kill = serveAt(t, "127.0.0.1:0", node.register)
			w := newWorld(t, Config{Stream: stream}, node)
			ada, bob := w.client(100), w.client(200)
			ada.logIn(t, "15550001", "Ada")
			bobUser := bob.logIn(t, "15550002", "Bob")
			w.online.set(bob.user, bob.key, node.addr)
			for i := range int64(3) {
				ada.say(t, bobUser, "hello", i+1)
				require.Equal(t, stream, node.next(t).streamed)
				kill()
				_, kill = serveAt(t, node.addr, node.register)
			}
		})
	}
}

func TestResetAuthorization(t *testing.T) {
	node := newFakeSession(t)
	w := newWorld(t, Config{}, node)
	d, other, third := w.client(100), w.client(200), w.client(300)
	for _, x := range []*client{d, other, third} {
		x.logIn(t, "15550001", "Ada")
		w.online.set(x.user, x.key, node.addr)
	}
	list, err := d.AccountGetAuthorizations(t.Context())
	require.NoError(t, err)
	require.Equal(t, authorizationTTLDays, list.AuthorizationTTLDays)
	require.Len(t, list.Authorizations, 3)
	require.True(t, list.Authorizations[0].Current)
	require.Equal(t, "key 200", list.Authorizations[1].DeviceModel)

	_, err = d.AccountResetAuthorization(t.Context(), 0)
	requireRPCError(t, err, 400, "HASH_INVALID")
	_, err = d.AccountResetAuthorization(t.Context(), 4711)
	requireRPCError(t, err, 400, "HASH_INVALID")
	ok, err := d.AccountResetAuthorization(t.Context(), list.Authorizations[1].Hash)
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, w.auth.userOf(other.key))

	// Every online key of the user hears which key it was.
	for _, key := range []int64{d.key, other.key, third.key} {
		p := node.next(t)
		require.Equal(t, key, p.key)
		require.Equal(t, "updateAccountResetAuthorization", w.schema.Predicate("Updates", p.updates)+predicate(p.updates))
		require.Equal(t, uint64(d.user), w.varint(t, p.updates, "user_id"))
		require.Equal(t, uint64(other.key), w.varint(t, p.updates, "auth_key_id"))
	}

	ok, err = d.AuthResetAuthorizations(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	require.Zero(t, w.auth.userOf(third.key))
	require.NotZero(t, w.auth.userOf(d.key))
}

func TestSendMessageErrors(t *testing.T) {
	var sent []Sent
	w := newWorld(t, Config{Sent: func(s Sent) { sent = append(sent, s) }})
	d := w.client(100)
	me := d.logIn(t, "15550001", "Ada")
	for _, tc := range []struct {
		name string
		req  tg.MessagesSendMessageRequest
		code int
		want string
	}{
		{"empty", tg.MessagesSendMessageRequest{Peer: inputPeer(me)}, 400, "MESSAGE_EMPTY"},
		{"too long", tg.MessagesSendMessageRequest{Peer: inputPeer(me), Message: strings.Repeat("я", maxMessage+1)}, 400, "MESSAGE_TOO_LONG"},
		{"unknown user", tg.MessagesSendMessageRequest{Peer: &tg.InputPeerUser{UserID: 5}, Message: "x"}, 400, "PEER_ID_INVALID"},
		{"no user", tg.MessagesSendMessageRequest{Peer: &tg.InputPeerChat{ChatID: 5}, Message: "x"}, 400, "PEER_ID_INVALID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := d.MessagesSendMessage(t.Context(), &tc.req)
			requireRPCError(t, err, tc.code, tc.want)
		})
	}
	t.Run("sent twice", func(t *testing.T) {
		d.say(t, me, "x", 7)
		_, err := d.MessagesSendMessage(t.Context(), &tg.MessagesSendMessageRequest{Peer: inputPeer(me), Message: "x", RandomID: 7})
		requireRPCError(t, err, 400, "RANDOM_ID_DUPLICATE")
		require.Equal(t, []Sent{{Key: 100, Text: "x", Place: 1}, {Key: 100, Text: "x"}}, sent, "both are told of")
	})
}

func TestDialogsHistoryAndDifference(t *testing.T) {
	w := newWorld(t, Config{})
	ada, bob, eve := w.client(100), w.client(200), w.client(300)
	adaUser := ada.logIn(t, "15550001", "Ada")
	bobUser, eveUser := bob.logIn(t, "15550002", "Bob"), eve.logIn(t, "15550003", "Eve")

	state, err := ada.UpdatesGetState(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, state.Pts)
	for i := range 5 {
		ada.say(t, bobUser, "to bob "+strconv.Itoa(i), int64(i))
	}
	eve.say(t, adaUser, "from eve", 1)
	ada.say(t, adaUser, "a note", 99)

	t.Run("dialogs", func(t *testing.T) {
		r, err := ada.MessagesGetDialogs(t.Context(), &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}, Limit: 10})
		require.NoError(t, err)
		dialogs := r.(*tg.MessagesDialogs)
		var peers []int64
		for _, d := range dialogs.Dialogs {
			peers = append(peers, d.GetPeer().(*tg.PeerUser).UserID)
		}
		require.Equal(t, []int64{adaUser.ID, eveUser.ID, bobUser.ID}, peers)
		require.Len(t, dialogs.Users, 3)
		require.Len(t, dialogs.Messages, 3)
	})
	t.Run("history", func(t *testing.T) {
		for _, tc := range []struct {
			name               string
			offset, add, limit int
			want               []int
		}{
			{"all", 0, 0, 100, []int{5, 4, 3, 2, 1}},
			{"newest", 0, 0, 2, []int{5, 4}},
			{"older than", 4, 0, 2, []int{3, 2}},
			{"moved", 0, 3, 10, []int{2, 1}},
			{"around", 3, -2, 3, []int{4, 3, 2}},
			{"beyond", 0, 50, 10, nil},
			{"before", 0, -50, 10, nil},
			{"overflow", 0, 1 << 30, 1 << 30, nil},
		} {
			t.Run(tc.name, func(t *testing.T) {
				r, err := ada.MessagesGetHistory(t.Context(), &tg.MessagesGetHistoryRequest{
					Peer: inputPeer(bobUser), OffsetID: tc.offset, AddOffset: tc.add, Limit: tc.limit,
				})
				require.NoError(t, err)
				m, ok := r.AsModified()
				require.True(t, ok)
				var ids []int
				for _, x := range m.GetMessages() {
					ids = append(ids, x.GetID())
				}
				require.Equal(t, tc.want, ids)
			})
		}
	})
	t.Run("difference", func(t *testing.T) {
		r, err := ada.UpdatesGetDifference(t.Context(), &tg.UpdatesGetDifferenceRequest{Pts: 5})
		require.NoError(t, err)
		diff := r.(*tg.UpdatesDifference)
		require.Equal(t, 8, diff.State.Pts)
		require.Len(t, diff.NewMessages, 3)
		require.Equal(t, 5, diff.NewMessages[0].GetID())

		r, err = ada.UpdatesGetDifference(t.Context(), &tg.UpdatesGetDifferenceRequest{Pts: 8})
		require.NoError(t, err)
		require.IsType(t, (*tg.UpdatesDifferenceEmpty)(nil), r)

		_, err = ada.UpdatesGetDifference(t.Context(), &tg.UpdatesGetDifferenceRequest{})
		requireRPCError(t, err, 400, "PERSISTENT_TIMESTAMP_EMPTY")
	})
}

func TestLongDifferenceComesInSlices(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	me := d.logIn(t, "15550001", "Ada")
	owner := w.bff.store.account(me.ID)
	for i := range int64(maxDifference + 10) {
		_, _, ok := w.bff.store.send(owner, owner, message{text: "x"}, i)
		require.True(t, ok)
	}
	r, err := d.UpdatesGetDifference(t.Context(), &tg.UpdatesGetDifferenceRequest{Pts: 1})
	require.NoError(t, err)
	slice := r.(*tg.UpdatesDifferenceSlice)
	require.Len(t, slice.NewMessages, maxDifference)
	r, err = d.UpdatesGetDifference(t.Context(), &tg.UpdatesGetDifferenceRequest{Pts: slice.IntermediateState.Pts})
	require.NoError(t, err)
	require.Len(t, r.(*tg.UpdatesDifference).NewMessages, 10)
}

// varint reads a field of an encoded Updates by name.
func (w *world) varint(t *testing.T, pb []byte, field string) uint64 {
	t.Helper()
	number, ok := w.schema.FieldNumber("Updates", field)
	require.True(t, ok)
	for len(pb) > 0 {
		num, typ, n := protowire.ConsumeTag(pb)
		require.Positive(t, n)
		pb = pb[n:]
		if int(num) == number {
			v, n := protowire.ConsumeVarint(pb)
			require.Positive(t, n)
			return v
		}
		pb = pb[protowire.ConsumeFieldValue(num, typ, pb):]
	}
	require.FailNow(t, "field is absent", field)
	return 0
}

// predicate reads field 1.
func predicate(pb []byte) string {
	_, _, n := protowire.ConsumeTag(pb)
	s, _ := protowire.ConsumeString(pb[n:])
	return s
}
