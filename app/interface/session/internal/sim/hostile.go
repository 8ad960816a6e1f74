package sim

import (
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// harm is what a client does that wants others to suffer: it asks for much, takes
// nothing, comes again and again, and has others write.
func (cl *client) harm() {
	c := cl.c
	if len(cl.sessions) < maxSessions {
		cl.open()
	}
	if !cl.loggedIn && c.chance(20) {
		cl.signIn()
	}
	for range 5 {
		s := pick(c.scheduler, cl.sessions)
		if s.extra != nil && !s.extra.bound {
			continue
		}
		cl.layer, cl.told = pick(c.scheduler, []int32{223, 214, 181}), false
		cl.builds++
		switch c.rnd.IntN(9) {
		case 0:
			s.reconnect(c.chance(2))
		case 1:
			s.start(nonsense, bigQuery(s))
		case 2:
			s.start(nonsense, zip(bigQuery(s)))
		case 3:
			s.repeat()
		default:
			s.call(anyone)
		}
	}
}

// haste is the pause between two of its moves.
func (cl *client) haste() time.Duration {
	return cl.c.between(50*time.Millisecond, 200*time.Millisecond)
}

// bigQuery is a call that no BFF would take.
func bigQuery(s *csession) []byte {
	b := appendInt(appendID(nil, s.c.c.schema.MethodByName(signIn)[0].ID), 1)
	for _, text := range []string{string(make([]byte, 2*s.c.c.limits.RequestBytes)), "hash", "12345"} {
		b = wire.AppendBytes(b, text)
	}
	return b
}
