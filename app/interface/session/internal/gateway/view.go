package gateway

import (
	"cmp"
	"slices"
	"time"
)

// View is the link to one gateway, for who watches.
type View struct {
	Gateway string
	Listed  bool // by etcd, or by the configuration
	Unary   bool // it is called for each packet, since it has no streams
	Packets int  // queued, under way or unanswered
	Bytes   int
	Keys    int           // whose packets they are
	Unread  time.Duration // for how long the oldest packet on the stream has had no answer; 0: none waits
	Down    time.Duration // for how long it has not been reached; 0: it was, at last
	Idle    time.Duration // since something went over it
}

// Views describes the links: those with the most bytes first, n at most, and how many
// there are.
func (g *Gateways) Views(n int) (views []View, links int) {
	now := time.Now()
	g.mu.RLock()
	for id, l := range g.links {
		v := l.view(now)
		v.Gateway, v.Listed = id, g.listed[id]
		views = append(views, v)
	}
	g.mu.RUnlock()
	slices.SortFunc(views, func(x, y View) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), cmp.Compare(x.Gateway, y.Gateway))
	})
	return views[:min(n, len(views))], len(views)
}

func (l *link) view(now time.Time) View {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := View{Unary: l.unary.Load(), Packets: l.queue.items, Bytes: l.queue.bytes, Keys: len(l.queue.keys), Idle: now.Sub(l.used)}
	if l.unanswered.len() > 0 && l.answers {
		v.Unread = now.Sub(l.unanswered.first().sent)
	}
	if !l.downSince.IsZero() {
		v.Down = now.Sub(l.downSince)
	}
	return v
}
