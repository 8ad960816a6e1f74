package lifecycle

import (
	"context"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Administered is the session manager as operators have it: a clean-up of
// theirs is the clean-up worker's, with its lock.
type Administered struct {
	*sessions.Manager
	Dao   *dao.Dao
	Batch int // sessions that end in one transaction
}

// CleanedUp is what came of a clean-up.
type CleanedUp struct {
	Count int                // sessions ended, or, in a dry run, to be ended
	Ended []sessions.Revoked // none in a dry run
	More  bool               // there may be more to end
	Busy  bool               // nothing was done: another clean-up is under way
}

// CleanUp ends up to limit sessions that nobody has used for olderThan. When ctx
// ends, it finishes the batch under way and returns ctx's error with what has
// ended by then; so it does with any other error. A dry run waits for no other
// clean-up, since it changes nothing.
func (a Administered) CleanUp(ctx context.Context, olderThan time.Duration, limit int, dryRun bool, by sessions.By) (out CleanedUp, err error) {
	if dryRun {
		out.Count, out.More, err = a.CountInactive(ctx, olderThan, limit)
		return out, err
	}
	s, err := Cleanup{
		Dao: a.Dao, Manager: a.Manager, OlderThan: olderThan, Batch: a.Batch, Limit: limit, Actor: by.Actor, Note: by.Note, Ticket: by.Ticket,
		Ended: func(ended []sessions.Revoked) { out.Ended = append(out.Ended, ended...) },
	}.Run(ctx)
	out.Count, out.Busy, out.More = len(out.Ended), s.Result == CleanupBusy, s.Result != CleanupDone
	if err == nil && s.Result == CleanupStopped {
		err = ctx.Err()
	}
	return out, err
}
