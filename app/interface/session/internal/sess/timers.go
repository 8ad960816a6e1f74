package sess

import (
	"slices"
	"time"
)

// earliest returns the earlier of two times, 0 being never.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// deadline is the next time at which something happens by itself; 0: never.
func (w *MainAuthWrapper) deadline() (at int64) {
	for s := range w.sessions() {
		at = earliest(earliest(at, s.closesAt(w.cfg)), s.greetAt)
		if left := w.leftAt(s); left != 0 { // which may have come to be past in this step
			at = earliest(at, max(left, w.now+1))
		}
		if s.server != "" {
			at = earliest(at, earliest(s.ackAt, s.resendAt))
			if s.again || s.throttled {
				at = earliest(at, w.repeatsAt())
			}
		}
		if s.http != nil {
			for i := range s.http.slots {
				at = earliest(at, s.http.due(&s.http.slots[i]))
			}
		}
	}
	for l := range w.lists() {
		for _, d := range l.held {
			if d.HTTP != 0 {
				at = earliest(at, d.HTTPUntil)
			}
		}
	}
	for _, c := range w.calls.list {
		at = earliest(at, c.deadline)
	}
	at = earliest(at, w.presenceAt())
	at = earliest(at, w.forgetsAt())
	at = earliest(at, w.storesAt())
	at = earliest(at, w.leavesAt())
	return earliest(at, w.pushes.expiresAt())
}

// expire does what is due.
func (w *MainAuthWrapper) expire() {
	for l := range w.lists() {
		w.expireHeld(l)
		for _, s := range slices.Clone(l.sessions) {
			w.expireSession(s)
		}
	}
	w.expireCalls()
	w.storeWaiting()
	if at := w.leavesAt(); at != 0 && w.now >= at {
		w.stopWaiting()
	}
	if at := w.pushes.expiresAt(); at != 0 && w.now >= at {
		w.dropHeld()
	}
}

func (w *MainAuthWrapper) expireSession(s *session) {
	if w.now >= s.closesAt(w.cfg) {
		if !s.online {
			w.drop(s, s.offlineFor)
			return
		}
		w.goOffline(s, EndIdle)
		s.window.rest(w.wall)
	}
	if s.resendAt != 0 && s.resendAt <= w.now && s.server != "" {
		w.repeatDue(s)
	}
	w.repeatSoon(s)
	w.presumeLeft(s)
	if s.greetAt != 0 && s.greetAt <= w.now {
		w.greet(s)
	}
	if s.ackAt != 0 && s.ackAt <= w.now || s.http != nil {
		s.touch()
	}
}

// expireHeld lets the HTTP readers of packets go that wait for salts.
func (w *MainAuthWrapper) expireHeld(l *SessionList) {
	for _, d := range l.held {
		if d.HTTP != 0 && d.HTTPUntil <= w.now {
			w.releaseReader(d)
		}
	}
}

// releaseHeld lets all of them go.
func (w *MainAuthWrapper) releaseHeld(l *SessionList) {
	for _, d := range l.held {
		if d.HTTP != 0 {
			w.releaseReader(d)
		}
	}
}

func (w *MainAuthWrapper) releaseReader(d *Data) {
	w.out.Replies = append(w.out.Replies, Reply{Slot: d.HTTP})
	d.HTTP = 0
}

// trusted is the shortest delay of ping_delay_disconnect, in seconds, that is taken
// at its word. mtcute asks for 7 and then pings once a minute, TDLib asks for 7
// while it is in use: taken as offline so soon they would miss what is pushed in
// between, on a connection that no gateway closes.
const trusted = 30

// closesAt is when an online session goes offline, and when an offline one ends:
// after silence, or as long after its last ping_delay_disconnect as the client
// asked for (rule PING-2).
func (s *session) closesAt(cfg *Config) int64 {
	switch {
	case !s.online:
		return s.lastSeen + int64(cfg.IdleClose)
	case s.pingDelay >= trusted:
		return s.pingAt + int64(s.pingDelay)*int64(time.Second)
	}
	return s.lastSeen + int64(cfg.IdleOffline)
}
