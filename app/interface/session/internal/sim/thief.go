package sim

import (
	"slices"
	"time"
)

// thief is somebody on the path between clients and gateways, who has no keys: he
// records packets, and plays them again later, over connections of his own, until the
// storm is over: while he does, answers and updates go to him.
type thief struct {
	c  *cluster
	is *client // that gateways take him for; it hears nothing

	latest map[int64][]func() // play the packets that were recorded last, by transport key
}

func newThief(c *cluster) *thief {
	return &thief{c: c, is: &client{c: c, name: "thief", ip: "203.0.113.9", away: true}, latest: map[int64][]func(){}}
}

// sees records a packet, or lets it pass. What is recorded is played once or a few
// times: at once, as long as sessions are remembered that are gone, or when its
// message ids have just become too old.
func (t *thief) sees(s *csession, salt int64, payload []byte, bindTo int64) {
	if t == nil || !t.c.chance(8) {
		return
	}
	payload = slices.Clone(payload)
	as := &csession{c: t.is, name: t.is.name, id: s.id, key: s.key, gone: true}
	plays := func() { t.plays(as, salt, payload, bindTo) }
	t.latest[s.key] = append(t.latest[s.key], plays)
	for range 1 + t.c.rnd.IntN(2) {
		wait := t.c.between(100*time.Millisecond, 10*time.Second)
		switch t.c.rnd.IntN(4) {
		case 0:
			wait = t.c.between(10*time.Second, 180*time.Second)
		case 1, 2:
			wait = t.c.between(180*time.Second, 310*time.Second)
		}
		t.c.after(wait, plays)
	}
}

// ended has him try what he has of a key that has just ended.
func (t *thief) ended(key int64) {
	if t == nil {
		return
	}
	latest := t.latest[key]
	for _, plays := range latest[max(0, len(latest)-20):] {
		t.c.after(t.c.between(0, 3*time.Second), plays)
	}
	delete(t.latest, key)
}

func (t *thief) plays(as *csession, salt int64, payload []byte, bindTo int64) {
	g := pick(t.c.scheduler, t.c.gateways)
	if t.c.healed || g.away {
		return
	}
	t.c.note(t.is.name, "plays a packet again", as.key, as.id)
	if t.c.chance(4) {
		g.post(as, salt, slices.Clone(payload), func([]byte) {})
		return
	}
	l := g.connect(as)
	g.fromClient(l, salt, slices.Clone(payload), bindTo)
	end := l.close
	if t.c.chance(2) {
		end = l.drop
	}
	t.c.after(t.c.between(50*time.Millisecond, 5*time.Second), end)
}
