package lifecycle

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// Overview counts, for operators, and keeps no count that has to be read from end
// to end: those are Statistics'.
type Overview struct {
	SignIns  []SignIns // of the last hour by the minute, the oldest first; the last is not over
	CleanUps []dao.CleanupRun
}

// SignIns are those of a minute.
type SignIns struct {
	Minute time.Time
	Count  int64
}

const (
	minutes   = 60
	shownRuns = 20
	noteTime  = 5 * time.Second
)

// Overview looks what went on lately.
func (a Administered) Overview(ctx context.Context) (out Overview, err error) {
	now := a.Dao.Now()
	first := now - now%60 - (minutes-1)*60
	counts, err := a.Dao.SignIns(ctx, first)
	if err != nil {
		return out, err
	}
	out.SignIns = make([]SignIns, minutes)
	for i := range out.SignIns {
		out.SignIns[i].Minute = time.Unix(first+int64(i)*60, 0)
	}
	for at, n := range counts {
		if i := (at - first) / 60; i < minutes { // a clock may be ahead
			out.SignIns[i].Count += n
		}
	}
	out.CleanUps, err = a.Dao.CleanupRuns(ctx, shownRuns)
	return out, err
}

// Online counts the live sessions that were used within a time.
func (a Administered) Online(ctx context.Context, within time.Duration) (int64, error) {
	return a.Dao.CountActive(ctx, a.Dao.Now()-int64(within/time.Second))
}

// note keeps what came of a run, where operators see it.
func (c *cleaner) note(s CleanupSummary) {
	ctx, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	gone := s.Removed
	err := c.run.Dao.NoteCleanup(ctx, dao.CleanupRun{Took: s.Took, Result: s.Result, Sessions: int64(s.Sessions), Removed: int64(gone.Logins + gone.History + gone.Devices)})
	if err != nil {
		logx.Error(err)
	}
}
