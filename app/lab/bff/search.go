package bff

import (
	"context"
	"strings"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

func (s *Server) registerSearch() {
	s.methods.OnMessagesSearch(s.search)
	s.methods.OnMessagesGetSearchCounters(s.getSearchCounters)
	s.methods.OnMessagesGetMessages(s.getMessages)
	s.methods.OnMessagesReadHistory(s.readHistory)
	s.methods.OnMessagesReadMessageContents(s.readMessageContents)
}

// search finds messages of a dialog, or of all when no peer is named, by what
// they hold and by their text, whatever its case.
func (s *Server) search(ctx context.Context, r *tg.MessagesSearchRequest) (tg.MessagesMessagesClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.matching(me, r.Peer, r.Filter, r.Q)
	if err != nil {
		return nil, err
	}
	found := page(all, r.OffsetID, r.AddOffset, r.Limit)
	users := s.store.users(me, found)
	if len(found) == len(all) {
		return &tg.MessagesMessages{Messages: objects(found), Users: users}, nil
	}
	return &tg.MessagesMessagesSlice{Count: len(all), Messages: objects(found), Users: users}, nil
}

func (s *Server) getSearchCounters(ctx context.Context, r *tg.MessagesGetSearchCountersRequest) ([]tg.MessagesSearchCounter, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]tg.MessagesSearchCounter, len(r.Filters))
	for i, filter := range r.Filters {
		found, err := s.matching(me, r.Peer, filter, "")
		if err != nil {
			return nil, err
		}
		out[i] = tg.MessagesSearchCounter{Filter: filter, Count: len(found)}
	}
	return out, nil
}

// matching lists what a search finds, newest first.
func (s *Server) matching(me *account, in tg.InputPeerClass, filter tg.MessagesFilterClass, text string) ([]message, error) {
	var all []message
	if _, everywhere := in.(*tg.InputPeerEmpty); everywhere {
		all = s.store.newest(me, func(message) bool { return true })
	} else if peer := s.inputPeer(me, in); peer != nil {
		all = s.store.dialog(me, peer.id)
	} else {
		return nil, tgerr.New(400, "PEER_ID_INVALID")
	}
	text = strings.ToLower(text)
	var out []message
	for _, m := range all {
		if holds(m, filter) && strings.Contains(strings.ToLower(m.text), text) {
			out = append(out, m)
		}
	}
	return out, nil
}

// holds reports whether a message is of the kind that a filter names: with any
// content, or a document. The demo has no others.
func holds(m message, filter tg.MessagesFilterClass) bool {
	switch filter.(type) {
	case *tg.InputMessagesFilterEmpty:
		return true
	case *tg.InputMessagesFilterDocument:
		return m.doc != nil
	default:
		return false
	}
}

func (s *Server) getMessages(ctx context.Context, ids []tg.InputMessageClass) (tg.MessagesMessagesClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) > maxPage {
		return nil, errInput
	}
	box := s.store.messages(me)
	var found []message
	out := &tg.MessagesMessages{}
	for _, in := range ids {
		id := 0
		if by, ok := in.(*tg.InputMessageID); ok {
			id = by.ID
		}
		if id < 1 || id > len(box) {
			out.Messages = append(out.Messages, &tg.MessageEmpty{ID: id})
			continue
		}
		m := box[id-1]
		found = append(found, m)
		out.Messages = append(out.Messages, m.object())
	}
	out.Users = s.store.users(me, found)
	return out, nil
}

// readHistory does nothing: all counts as read.
func (s *Server) readHistory(ctx context.Context, _ *tg.MessagesReadHistoryRequest) (*tg.MessagesAffectedMessages, error) {
	return s.unaffected(ctx)
}

func (s *Server) readMessageContents(ctx context.Context, _ []int) (*tg.MessagesAffectedMessages, error) {
	return s.unaffected(ctx)
}

// unaffected says that a call changed no message.
func (s *Server) unaffected(ctx context.Context) (*tg.MessagesAffectedMessages, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	return &tg.MessagesAffectedMessages{Pts: ptsAfter(len(s.store.messages(me)))}, nil
}
