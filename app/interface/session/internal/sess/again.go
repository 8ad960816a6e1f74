package sess

import "time"

// Whatever is repeated was asked for by little: 40 bytes of a new connection, of
// msg_resend_req or of a call that comes again have megabytes sent. So the bytes that
// are repeated to a key are bounded by time, whatever the reason: RepeatBytes at once,
// and as many every repeatEvery. What is beyond waits its turn. Without that bound one
// client fills the queue of its gateway, where everybody's packets stand behind.

// repeatEvery is how long it takes until RepeatBytes may be repeated again.
const repeatEvery = 4 * time.Second

// perByte is the time that a repeated byte takes of repeatEvery, in nanoseconds.
func (w *MainAuthWrapper) perByte() int64 { return max(1, int64(repeatEvery)/int64(w.cfg.RepeatBytes)) }

// repeatLeft is how many bytes may be repeated now. While it is above zero one more
// message may be repeated, however large that is. repeatLeft may be below zero then, and
// nothing is repeated until it is above zero again.
func (w *MainAuthWrapper) repeatLeft() int {
	return int((int64(repeatEvery) - max(w.repeatedTo-w.now, 0)) / w.perByte())
}

// spend notes that bytes were repeated.
func (w *MainAuthWrapper) spend(bytes int) {
	w.repeatedTo = max(w.repeatedTo, w.now) + int64(bytes)*w.perByte()
}

// repeatsAt is when what waits goes on: once some messages may leave together.
func (w *MainAuthWrapper) repeatsAt() int64 {
	return max(w.repeatedTo-int64(repeatEvery)*15/16, w.now+int64(time.Millisecond))
}

// repeatSoon has a session looked at by flush when its repetitions waited.
func (w *MainAuthWrapper) repeatSoon(s *session) {
	if !s.throttled && !s.again || w.repeatLeft() <= 0 {
		return
	}
	if s.again && s.server != "" {
		s.again = false
		w.repeatAll(s)
	}
	s.touch()
}
