package bff

import (
	"context"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// maxDifference bounds the messages of one answer to updates.getDifference.
const maxDifference = 1000

func (s *Server) registerUpdates() {
	s.methods.OnUpdatesGetState(s.getState)
	s.methods.OnUpdatesGetDifference(s.getDifference)
}

func (s *Server) getState(ctx context.Context) (*tg.UpdatesState, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	state := stateAt(len(s.store.messages(me)))
	return &state, nil
}

func (s *Server) getDifference(ctx context.Context, r *tg.UpdatesGetDifferenceRequest) (tg.UpdatesDifferenceClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	box := s.store.messages(me)
	if r.Pts < ptsAfter(0) {
		return nil, tgerr.New(400, "PERSISTENT_TIMESTAMP_EMPTY")
	}
	if r.Pts >= ptsAfter(len(box)) {
		return &tg.UpdatesDifferenceEmpty{Date: now()}, nil
	}
	missed := box[r.Pts-ptsAfter(0):]
	if len(missed) > maxDifference {
		missed = missed[:maxDifference]
		return &tg.UpdatesDifferenceSlice{
			NewMessages:       objects(missed),
			Users:             s.store.users(me, missed),
			IntermediateState: stateAt(missed[len(missed)-1].id),
		}, nil
	}
	return &tg.UpdatesDifference{
		NewMessages: objects(missed),
		Users:       s.store.users(me, missed),
		State:       stateAt(len(box)),
	}, nil
}

// stateAt is the state of someone whose newest message is id.
func stateAt(id int) tg.UpdatesState { return tg.UpdatesState{Pts: ptsAfter(id), Date: now()} }

func now() int { return int(time.Now().Unix()) }
