package sim

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Kinds of tokens that devices register.
const (
	tokenFirebase    = 2
	tokenPushSession = 7 // the token is the id of a session, which push messages wake
)

// device is what a client has registered for push messages.
type device struct {
	session int64 // that they wake; 0: none
	since   int64 // when the client knew that they do
}

// register asks that push messages wake one of the client's sessions: one that
// it uses, or one that calls nothing. It stays with it while it has it.
func (cl *client) register(s *csession) {
	if slices.ContainsFunc(cl.sessions, func(s *csession) bool { return s.calling(register) }) {
		return
	}
	named := cl.session(cl.push.session)
	switch {
	case named != nil:
	case cl.c.chance(2) && len(cl.sessions) < maxSessions:
		named = newSession(cl)
		named.mute = true
		cl.sessions = append(cl.sessions, named)
		cl.c.note(cl.name, "opens a session that is to be woken", named.key, named.id)
		named.ping(0)
	default:
		named = pick(cl.c.scheduler, cl.sessions)
	}
	if named.media {
		return
	}
	kind, token := int32(tokenPushSession), strconv.FormatInt(named.id, 10)
	if cl.c.chance(5) {
		kind, token = tokenFirebase, fmt.Sprint(cl.c.id())
	}
	s.start(register, s.wrap(tlDevice(kind, token, cl.c.chance(4))), func(c *ccall) {
		if kind == tokenPushSession {
			c.device = named.id
		}
	})
}

// tlDevice is account.registerDevice, in one of two forms.
func tlDevice(kind int32, token string, old bool) []byte {
	if old {
		return wire.AppendBytes(appendInt(appendID(nil, wire.IDRegisterDeviceOld), kind), token)
	}
	b := wire.AppendBytes(appendInt(appendInt(appendID(nil, wire.IDRegisterDevice), 0), kind), token)
	b = wire.AppendBytes(wire.AppendBool(b, false), "")
	return appendInt(appendID(b, wire.IDVector), 0)
}

// registered notes that push messages wake a session from now on.
func (cl *client) registered(id int64) {
	if id != 0 && id != cl.push.session {
		cl.push = device{session: id, since: cl.c.now}
	}
}

// session finds a session of the client's; nil: it has none with this id.
func (cl *client) session(id int64) *csession {
	for _, s := range cl.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

// woken notes that a session knows now that its client may have missed updates. It fetches
// what happened before.
func (s *csession) woken() {
	s.c.c.watch.told(s.c, s.c.c.now)
	if s.id == s.c.push.session {
		s.c.c.note(s.name, "is woken", s.id)
	}
	s.wokenAt = s.c.c.now
}
