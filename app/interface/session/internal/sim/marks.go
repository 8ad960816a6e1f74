package sim

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/authsession"
)

// marks are the calls of a key that may log in, and the logins that owe their
// password (PEERS.md, "Our own calls").
type marks struct {
	set []mark // in the order they were set
	at  int64  // when they last changed
}

// mark is one: of a call that has not ended, or of a login.
type mark struct {
	owner int64
	user  int64 // whose login; 0: none yet
	since int64
}

const markTime = int64(600e9) // that one without a login is good for

// attach gives the marks of calls under way to a login that begins.
func (m *marks) attach(user, now int64) {
	for i := range m.set {
		if x := &m.set[i]; x.user == 0 && x.since > now-markTime {
			x.user, m.at = user, now
		}
	}
}

// end removes the marks of a login, if there is one.
func (m *marks) end(user int64) {
	m.set = slices.DeleteFunc(m.set, func(x mark) bool { return user != 0 && x.user == user })
}

// owes reports whether a login does.
func (m *marks) owes(user int64) bool {
	return slices.ContainsFunc(m.set, func(x mark) bool { return x.user == user })
}

// mark does what setPasswordPending asks for.
func (a *storage) mark(in *authsession.SetPasswordPendingRequest) (*authsession.SetPasswordPendingReply, error) {
	perm := in.GetAuthKeyId()
	if a.keys[perm] == nil {
		return nil, errUnregistered
	}
	a.c.watch.check(in.GetOwner() != 0, "password", "a mark of key %x names no call", perm)
	m := a.marksOf(perm)
	m.at = a.c.now
	own := slices.IndexFunc(m.set, func(x mark) bool { return x.owner == in.GetOwner() })
	user := in.GetUserId()
	switch {
	case in.GetPending() && user == 0:
		if own < 0 {
			m.set = append(m.set, mark{owner: in.GetOwner(), since: a.c.now})
		}
	case in.GetPending():
		m.set = slices.DeleteFunc(m.set, func(x mark) bool { return x.owner == in.GetOwner() || x.user == user })
		if a.userOf(perm) == user {
			m.set = append(m.set, mark{owner: in.GetOwner(), user: user, since: a.c.now})
		}
	case own >= 0:
		before := slices.DeleteFunc(slices.Clone(m.set[:own]), func(x mark) bool { return user != 0 && x.user == user })
		m.set = append(before, m.set[own+1:]...)
	}
	state, err := a.stateOf(perm)
	if err != nil {
		return nil, err
	}
	reply := &authsession.SetPasswordPendingReply{KeyState: state.GetKeyState()}
	if reply.KeyState > int32(sess.StateUnauthorized) {
		reply.UserId = state.GetUserId()
	}
	return reply, nil
}

func (a *storage) marksOf(perm int64) *marks {
	m := a.marks[perm]
	if m == nil {
		m = &marks{}
		a.marks[perm] = m
	}
	return m
}
