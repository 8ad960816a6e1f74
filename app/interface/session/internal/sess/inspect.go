package sess

// SessionView is what a session holds, for those who watch over its bounds.
type SessionView struct {
	// Life stands for the session itself: another one, also one made anew
	// under the same id, has another Life.
	Life      any
	AuthKeyID int64 // transport key
	ID        int64
	Window    int // message ids remembered
	Messages  int // in the outbox
	Bytes     int // of them
	Acks      int // to be sent
	Requests  int // open HTTP requests
}

// View is what a wrapper holds.
type View struct {
	State       State
	Sessions    []SessionView
	Calls       int // API calls without an answer
	Running     int // of them, at a BFF
	HeldPushes  int // updates that wait for a session
	HeldPackets int // packets that wait for salts
}

// Inspect describes the wrapper as it is between two steps. It reuses v.
func (w *MainAuthWrapper) Inspect(v *View) {
	*v = View{State: w.login.state, Sessions: v.Sessions[:0], Calls: len(w.calls.list), Running: int(w.calls.running), HeldPushes: len(w.pushes.held)}
	for l := range w.lists() {
		for _, d := range l.held {
			if !d.stub {
				v.HeldPackets++
			}
		}
		for _, s := range l.sessions {
			view := SessionView{
				Life: s, AuthKeyID: l.authKeyID, ID: s.id, Window: len(s.window.ids),
				Messages: len(s.queue) + len(s.sent), Bytes: s.bytes, Acks: len(s.acks),
			}
			if s.http != nil {
				view.Requests = len(s.http.slots)
			}
			v.Sessions = append(v.Sessions, view)
		}
	}
}
