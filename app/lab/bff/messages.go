package bff

import (
	"context"
	"unicode/utf8"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

const (
	maxMessage = 4096 // characters
	maxPage    = 100  // messages or dialogs in one answer

	archive = 1 // the folder that every client knows; nothing is in it
)

// errDuplicate has code 400, not the 500 of Telegram's documentation: for 500
// clients send again, and report at last that the message failed.
var errDuplicate = tgerr.New(400, "RANDOM_ID_DUPLICATE")

func (s *Server) registerMessages() {
	s.methods.OnMessagesGetDialogs(s.getDialogs)
	s.methods.OnMessagesGetPeerDialogs(s.getPeerDialogs)
	s.methods.OnMessagesGetPinnedDialogs(s.getPinnedDialogs)
	s.methods.OnMessagesGetHistory(s.getHistory)
	s.methods.OnMessagesSendMessage(s.sendMessage)
}

func (s *Server) getDialogs(ctx context.Context, r *tg.MessagesGetDialogsRequest) (tg.MessagesDialogsClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if r.FolderID == archive {
		return &tg.MessagesDialogs{}, nil
	}
	all := s.store.dialogs(me)
	tops := page(all, r.OffsetID, 0, r.Limit)
	dialogs := make([]tg.DialogClass, len(tops))
	for i, m := range tops {
		dialogs[i] = dialog(m.peer, m.id)
	}
	users := s.store.users(me, tops)
	if len(tops) == len(all) {
		return &tg.MessagesDialogs{Dialogs: dialogs, Messages: objects(tops), Users: users}, nil
	}
	return &tg.MessagesDialogsSlice{Count: len(all), Dialogs: dialogs, Messages: objects(tops), Users: users}, nil
}

// dialog is one with a peer whose newest message is top, 0 when there is none.
// Nobody tracks what was read: all was.
func dialog(peer int64, top int) *tg.Dialog {
	return &tg.Dialog{Peer: &tg.PeerUser{UserID: peer}, TopMessage: top, ReadOutboxMaxID: top, ReadInboxMaxID: top}
}

// getPeerDialogs returns the dialogs with the given peers. Who has never written
// or been written to has one, too, without messages.
func (s *Server) getPeerDialogs(ctx context.Context, peers []tg.InputDialogPeerClass) (*tg.MessagesPeerDialogs, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if len(peers) > maxPage {
		return nil, errInput
	}
	var tops, named []message // with and without a message
	out := &tg.MessagesPeerDialogs{State: stateAt(len(s.store.messages(me)))}
	for _, p := range peers {
		in, ok := p.(*tg.InputDialogPeer)
		if !ok { // a folder
			continue
		}
		peer := s.inputPeer(me, in.Peer)
		if peer == nil {
			return nil, tgerr.New(400, "PEER_ID_INVALID")
		}
		top := message{from: peer.id, peer: peer.id}
		if found := s.store.dialog(me, peer.id); len(found) > 0 {
			top = found[0]
			tops = append(tops, top)
		}
		named = append(named, top)
		out.Dialogs = append(out.Dialogs, dialog(peer.id, top.id))
	}
	out.Messages, out.Users = objects(tops), s.store.users(me, named)
	return out, nil
}

// getPinnedDialogs: none are.
func (s *Server) getPinnedDialogs(ctx context.Context, _ int) (*tg.MessagesPeerDialogs, error) {
	return s.getPeerDialogs(ctx, nil)
}

func (s *Server) getHistory(ctx context.Context, r *tg.MessagesGetHistoryRequest) (tg.MessagesMessagesClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	peer := s.inputPeer(me, r.Peer)
	if peer == nil {
		return nil, tgerr.New(400, "PEER_ID_INVALID")
	}
	all := s.store.dialog(me, peer.id)
	found := page(all, r.OffsetID, r.AddOffset, r.Limit)
	users := s.store.users(me, found)
	if len(found) == len(all) {
		return &tg.MessagesMessages{Messages: objects(found), Users: users}, nil
	}
	return &tg.MessagesMessagesSlice{Count: len(all), Messages: objects(found), Users: users}, nil
}

// page cuts out of messages, newest first, those that a client asks for:
// limit of them, from the first below offset id on, moved by add
// (core.telegram.org/api/offsets).
func page(messages []message, offset, add, limit int) []message {
	start := 0
	for offset > 0 && start < len(messages) && messages[start].id >= offset {
		start++
	}
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	n := len(messages)
	add = min(max(add, -n-maxPage), n) // all beyond is the same, and no sum overflows
	first := start + add
	return messages[min(max(first, 0), n):min(max(first+limit, 0), n)]
}

func (s *Server) sendMessage(ctx context.Context, r *tg.MessagesSendMessageRequest) (tg.UpdatesClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	peer := s.inputPeer(me, r.Peer)
	switch n := utf8.RuneCountInString(r.Message); {
	case peer == nil:
		return nil, tgerr.New(400, "PEER_ID_INVALID")
	case n == 0:
		return nil, tgerr.New(400, "MESSAGE_EMPTY")
	case n > maxMessage:
		return nil, tgerr.New(400, "MESSAGE_TOO_LONG")
	}
	return s.send(ctx, me, peer, message{text: r.Message}, r.RandomID)
}

// send delivers a message and answers with it.
func (s *Server) send(ctx context.Context, me, peer *account, m message, randomID int64) (tg.UpdatesClass, error) {
	out, in, ok := s.store.send(me, peer, m, randomID)
	if s.cfg.Sent != nil {
		who := caller(ctx)
		s.cfg.Sent(Sent{Key: who.GetPermAuthKeyId(), Session: who.GetSessionId(), MsgID: who.GetClientMsgId(), Text: m.text, Place: in.id})
	}
	if !ok {
		return nil, errDuplicate
	}
	if peer != me {
		s.pusher.pushUpdates(ctx, peer.id, 0, s.newMessage(peer, in))
	}
	s.pusher.pushUpdates(ctx, me.id, caller(ctx).GetPermAuthKeyId(), s.newMessage(me, out))

	answer := s.newMessage(me, out)
	answer.Updates = append([]tg.UpdateClass{&tg.UpdateMessageID{ID: out.id, RandomID: randomID}}, answer.Updates...)
	return answer, nil
}

// newMessage tells owner of a message in their box.
func (s *Server) newMessage(owner *account, m message) *tg.Updates {
	return &tg.Updates{
		Updates: []tg.UpdateClass{&tg.UpdateNewMessage{Message: m.object(), Pts: ptsAfter(m.id), PtsCount: 1}},
		Users:   s.store.users(owner, []message{m}),
		Date:    m.date,
	}
}
