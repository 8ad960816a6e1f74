package dao

import (
	"context"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Bounds of what one sign-in does to the other logins of its user. There are so many of them
// only where a policy is new, or was none for long. The sign-in's transaction, in which the
// user is locked, ends the first of those that may not stay; the others end after it, in
// batches, for as long as half of the call's time lasts. What is left then, or lies beyond
// what was read, the next sign-ins of the user end. Without the bounds, a sign-in with very
// many logins beside it would run out of its time, again and again, and so never be made.
const (
	surplusLooks = 10_000 // live logins that are read beside the newest, the rows made first before others
	surplusEnds  = endBatch
	surplusTime  = 2 // part of the call's time after which no other batch begins
)

// liveFor reads what a sign-in has to know of its user's live logins, the one active last
// first: the newest, which may hear of it, and all that the policy may end, as far as a
// sign-in looks. Its device has the given type.
func (d *Dao) liveFor(ctx context.Context, tx querier, rules *logins.Rules, own logins.Policy, userID int64, deviceType string) ([]logins.Login, error) {
	newest, err := d.liveOf(ctx, tx, userID, logins.MaxOthers+1)
	if err != nil {
		return nil, err
	}
	list := facts(newest)
	limited, ofType := rules.Limits(own)
	if !limited || len(list) <= logins.MaxOthers { // or these are all
		return list, nil
	}
	if !ofType {
		deviceType = ""
	}
	known := make(map[int64]bool, len(list))
	for _, l := range list {
		known[l.ID] = true
	}
	for after, looks := int64(0), d.looks; looks > 0; {
		limit := min(d.window, looks)
		live, err := d.liveAfter(ctx, tx, userID, deviceType, after, limit)
		if err != nil {
			return nil, err
		}
		for _, l := range facts(live) {
			if !known[l.ID] {
				list = append(list, l)
			}
		}
		if len(live) < limit {
			break
		}
		after, looks = live[limit-1].ID, looks-limit
	}
	slices.SortFunc(list, logins.NewestFirst)
	return list, nil
}

// surplus are how logins end that a policy does not let stay beside a sign-in.
func surplus(userID int64) ending {
	return ending{why: logins.ConcurrentLogin, by: By{Actor: logins.UserActor(userID)}}
}

// endSurplus ends, in a sign-in's transaction, the first of the rows ids, which are of live
// logins of its user. It returns those of live that are left to endRest.
func (d *Dao) endSurplus(ctx context.Context, tx *Tx, userID int64, ids []int64, live []logins.Login) (ended []Ended, rest []logins.Login, err error) {
	now, later := ids[:min(len(ids), d.ends)], map[int64]bool{}
	if ended, err = d.end(ctx, tx, now, surplus(userID)); err != nil {
		return nil, nil, err
	}
	for _, id := range ids[len(now):] {
		later[id] = true
	}
	for _, l := range live {
		if later[l.ID] {
			rest = append(rest, l)
		}
	}
	return ended, rest, nil
}

// endRest ends what a sign-in, which began at a time and made the login own, did not end in
// its transaction, and returns it. The sign-in is made, whatever becomes of this.
//
// The user is free between the two, so other sign-ins of theirs may come first. One of them
// may have ended own: then it has judged the rest itself, and may have let one of them stay.
// And a login of the rest that was used since it was read stays, for it may be the one that
// signed in again; so does one that has begun on the key of one of the rest, in its row.
// Else both sign-ins would succeed, and the user have no login.
func (d *Dao) endRest(ctx context.Context, began time.Time, own logins.Login, rest []logins.Login) []Ended {
	if len(rest) == 0 {
		return nil
	}
	read := make(map[int64]logins.Login, len(rest))
	for _, l := range rest {
		read[l.ID] = l
	}
	how := surplus(own.UserID)
	how.decide = func(l *logins.Login) logins.Reason {
		if was := read[l.ID]; was.Hash != l.Hash || was.LastActive < l.LastActive {
			return logins.Live
		}
		return how.why
	}
	how.goOn = func(ctx context.Context, tx *Tx) error {
		if _, err := lockUser(ctx, tx, own.UserID); err != nil {
			return err
		}
		live, err := lockLive(ctx, tx, []loginOn{{ID: own.ID}}) // no plain read may come before the locks of end
		if err == nil && len(live) == 0 {
			err = errNoMore
		}
		return err
	}
	deadline, bounded := ctx.Deadline()
	ended, err := d.endBatches(ctx, rest, how, func() bool {
		return !bounded || time.Since(began) < deadline.Sub(began)/surplusTime
	})
	if err != nil {
		logx.WithContext(ctx).Errorf("logins that the policy does not let stay are left to the next sign-in of their user: %v", err)
	}
	return ended
}
