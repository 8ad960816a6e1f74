package admin

import (
	"net/netip"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/tgsession/tgsession/proto/admin"
)

const (
	// pollEvery is how often a read that a caller repeats is written down.
	pollEvery = time.Hour
	maxPolls  = 10_000
)

// poll is a read that names no login, as one caller makes it with one token from one
// address.
type poll struct {
	caller string
	until  time.Time // when the token expires
	by     string
	ip     netip.Addr
	method string
}

// polls keeps out of the audit log that pages and tools look at live numbers again and
// again: an overview that is open for a day would be 8640 rows, among which nobody finds
// anything. The first read of a caller is written down, then one an hour, which says how
// many came before it.
type polls struct {
	now func() time.Time

	mu   sync.Mutex
	seen map[poll]*polled
}

type polled struct {
	told   time.Time // when one was last written down
	silent int       // since
}

func newPolls(now func() time.Time) *polls { return &polls{now: now, seen: map[poll]*polled{}} }

// pass says whether a read stays out of the log, and, where it does not, how many did
// since the one before. Beyond maxPolls callers, each read of others is written down.
func (p *polls) pass(who poll) (silent int, out bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	last := p.seen[who]
	switch {
	case last != nil && now.Sub(last.told) < pollEvery:
		last.silent++
		return 0, true
	case last != nil:
		silent = last.silent
		*last = polled{told: now}
		return silent, false
	}
	if len(p.seen) >= maxPolls {
		for old, last := range p.seen {
			if now.Sub(last.told) >= pollEvery {
				delete(p.seen, old)
			}
		}
	}
	if len(p.seen) < maxPolls {
		p.seen[who] = &polled{told: now}
	}
	return 0, false
}

// namesNobody reports whether an answer tells of no login.
func namesNobody(out proto.Message) bool {
	list, ok := out.(*pb.ListEventsReply)
	return !ok || len(list.GetEvents()) == 0
}
