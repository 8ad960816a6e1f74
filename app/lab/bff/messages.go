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
)

func (s *Server) registerMessages() {
	s.methods.OnMessagesGetDialogs(s.getDialogs)
	s.methods.OnMessagesGetHistory(s.getHistory)
	s.methods.OnMessagesSendMessage(s.sendMessage)
}

func (s *Server) getDialogs(ctx context.Context, r *tg.MessagesGetDialogsRequest) (tg.MessagesDialogsClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	all := s.store.dialogs(me)
	tops := page(all, r.OffsetID, 0, r.Limit)
	dialogs := make([]tg.DialogClass, len(tops))
	for i, m := range tops {
		dialogs[i] = &tg.Dialog{
			Peer:            &tg.PeerUser{UserID: m.peer},
			TopMessage:      m.id,
			ReadOutboxMaxID: m.id, // nobody tracks what was read: all was
			ReadInboxMaxID:  m.id,
		}
	}
	users := s.store.users(me, tops)
	if len(tops) == len(all) {
		return &tg.MessagesDialogs{Dialogs: dialogs, Messages: objects(tops), Users: users}, nil
	}
	return &tg.MessagesDialogsSlice{Count: len(all), Dialogs: dialogs, Messages: objects(tops), Users: users}, nil
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
	out, in, ok := s.store.send(me, peer, r.Message, r.RandomID)
	if !ok {
		return nil, tgerr.New(500, "RANDOM_ID_DUPLICATE")
	}
	if peer != me {
		s.pusher.pushUpdates(ctx, peer.id, 0, s.newMessage(peer, in))
	}
	s.pusher.pushUpdates(ctx, me.id, caller(ctx).GetPermAuthKeyId(), s.newMessage(me, out))

	answer := s.newMessage(me, out)
	answer.Updates = append([]tg.UpdateClass{&tg.UpdateMessageID{ID: out.id, RandomID: r.RandomID}}, answer.Updates...)
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
