package sess

import (
	"strconv"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// reachableLogin reports whether somebody is there who takes updates or push
// messages: then status shall know the key.
func (w *MainAuthWrapper) reachableLogin() bool {
	if w.state != StateNormal || w.userID == 0 || w.draining || w.unbound {
		return false
	}
	for s := range w.sessions() {
		if s.online && !s.list.media() && (s.subscribed || s.id == w.pushID) {
			return true
		}
	}
	return false
}

// announce keeps status informed: at once when something changes, and often
// enough for what it knows not to expire (PEERS.md, "status").
func (w *MainAuthWrapper) announce() {
	if !w.reachableLogin() {
		w.offline()
		return
	}
	if w.pushAsked {
		w.wakePushSession()
	}
	if w.onlineAt != 0 && w.now-w.onlineAt < int64(w.cfg.OnlineEvery) {
		return
	}
	w.onlineAt = w.now
	w.call(&SetOnline{
		UserID: w.userID, AuthKeyID: w.key, Layer: w.layer, Client: w.client.name,
		Expires: (w.now + int64(w.cfg.OnlineFor)) / 1e9,
	})
}

// offline tells status that nobody is there any more, if it thinks otherwise.
func (w *MainAuthWrapper) offline() {
	if w.onlineAt == 0 {
		return
	}
	w.onlineAt = 0
	w.call(&SetOffline{UserID: w.userID, AuthKeyID: w.key})
}

// deviceSession reads account.registerDevice: with token_type 7 the token is
// the decimal id of the session that takes push messages. It returns 0 for
// other tokens.
func deviceSession(body []byte) int64 {
	r := wire.NewReader(body)
	if r.ID() == wire.IDRegisterDevice {
		r.Int() // flags
	}
	kind, token := r.Int(), string(r.Bytes())
	const pushSession = 7
	if !r.OK() || kind != pushSession || len(token) > 20 {
		return 0
	}
	if id, err := strconv.ParseInt(token, 10, 64); err == nil {
		return id
	}
	id, err := strconv.ParseUint(token, 10, 64)
	if err != nil {
		return 0
	}
	return int64(id) //nolint:gosec // session ids have 64 bits; clients write them signed or not
}
