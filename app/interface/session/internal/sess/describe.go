package sess

import "time"

// Description is a key as the page of a key shows it: how much there is of everything,
// and nothing that is secret or that a user has written. Ids are strings, since readers
// of JSON may round numbers of 64 bits. Times are milliseconds that have passed.
type Description struct {
	State         string             `json:"state"` // of the login: see docs/inside.md
	UserID        int64              `json:"user_id,string"`
	Layer         int32              `json:"layer"` // 0: not known
	TransportKeys []TransportKeyView `json:"transport_keys"`
	Calls         CallsView          `json:"calls"`
	PeerCalls     int                `json:"peer_calls"`    // to authsession, without an answer
	HeldPushes    int                `json:"held_pushes"`   // updates that wait for a session that takes them
	UpdatesLost   bool               `json:"updates_lost"`  // the client is still to be told to fetch some
	GoneSessions  int                `json:"gone_sessions"` // that ended lately, and are remembered
	OutboxBytes   int                `json:"outbox_bytes"`  // of all sessions
	WakesIn       int64              `json:"wakes_in_ms"`   // when something happens by itself; -1: nothing will
}

// TransportKeyView is a perm or temp key with its sessions.
type TransportKeyView struct {
	ID          int64              `json:"auth_key_id,string"`
	Kind        string             `json:"kind"`         // perm, temp, media_temp
	Salts       int                `json:"salts"`        // known; 0: none yet
	HeldPackets int                `json:"held_packets"` // that wait for salts
	Sessions    []SessionDescribed `json:"sessions"`
}

// SessionDescribed is one session.
type SessionDescribed struct {
	ID           int64      `json:"session_id,string"`
	Online       bool       `json:"online"`
	Gateway      string     `json:"gateway"` // that leads to the client, or did so last; empty: it came over HTTP
	ClientIP     string     `json:"client_ip"`
	LastSeen     int64      `json:"last_seen_ms"` // since its last packet, or since it went offline
	Layer        int32      `json:"layer"`        // 0: the key's
	TakesUpdates bool       `json:"takes_updates"`
	UpdatesLost  bool       `json:"updates_lost"` // it is still to be told to fetch some
	LoginEnded   bool       `json:"login_ended"`
	Window       WindowView `json:"window"`
	Outbox       OutboxView `json:"outbox"`
	Acks         int        `json:"acks"` // acknowledgments that wait to be sent
	HTTPRequests int        `json:"http_requests"`
}

// WindowView is what a session remembers of incoming messages.
type WindowView struct {
	Messages int   `json:"messages"`
	Floor    int64 `json:"floor,string"` // highest msg_id that is forgotten; 0: none
	Last     int64 `json:"last,string"`  // highest msg_id received
}

// OutboxView is what a session has for its client.
type OutboxView struct {
	Queued   int   `json:"queued"`    // messages not sent yet
	Unacked  int   `json:"unacked"`   // sent, not acknowledged
	Bytes    int   `json:"bytes"`     // of both
	OldestMs int64 `json:"oldest_ms"` // since the oldest unacknowledged was last sent; 0: there is none
}

// CallsView are the API calls without an answer.
type CallsView struct {
	Waiting  int        `json:"waiting"`  // not at a BFF yet
	AtBFF    int        `json:"at_bff"`   // or a mark of theirs is on its way to authsession
	Promised int        `json:"promised"` // whose result the BFF sends later
	List     []CallView `json:"list"`     // the first of them
}

// CallView is one of them.
type CallView struct {
	Method    string `json:"method"`
	SessionID int64  `json:"session_id,string"`
	MsgID     int64  `json:"msg_id,string"`
	Phase     string `json:"phase"` // state, ready, marking, at_bff, promised, clearing
	Age       int64  `json:"age_ms"`
}

// describedCalls bounds CallsView.List.
const describedCalls = 64

var (
	stateNames = map[State]string{
		StateUnknown: "unknown", StateNew: "new", StatePermBound: "perm_bound", StateWaitInit: "wait_init", StateUnauthorized: "unauthorized",
		StateNeedPassword: "password", StateNormal: "logged_in", StateLoggedOut: "logged_out", StateRevoked: "revoked",
	}
	kindNames  = map[KeyType]string{PermKey: "perm", TempKey: "temp", MediaTempKey: "media_temp"}
	phaseNames = map[phase]string{phaseState: "state", phaseReady: "ready", phaseMarking: "marking", phaseRunning: "at_bff", phasePushed: "promised", phaseClearing: "clearing"}
)

// Describe describes the wrapper as it is between two steps. Times are as in Step.
func (w *MainAuthWrapper) Describe(now, wall int64) *Description {
	d := &Description{
		State: stateNames[w.login.state], UserID: w.login.userID, Layer: w.profile.layer, TransportKeys: []TransportKeyView{},
		Calls: w.describeCalls(wall), PeerCalls: len(w.asks), HeldPushes: len(w.pushes.held),
		UpdatesLost: w.pushes.gap || w.pushes.sessionGaps, GoneSessions: len(w.gone.list), OutboxBytes: w.held(), WakesIn: -1,
	}
	if w.login.destroyed {
		d.State = "destroyed"
	}
	if w.wakeAt != 0 {
		d.WakesIn = max(0, ms(w.wakeAt-now))
	}
	for l := range w.lists() {
		view := TransportKeyView{ID: l.authKeyID, Kind: kindNames[l.keyType], Salts: len(l.salts), HeldPackets: len(l.held), Sessions: []SessionDescribed{}}
		for _, s := range l.sessions {
			view.Sessions = append(view.Sessions, s.describe(now))
		}
		d.TransportKeys = append(d.TransportKeys, view)
	}
	return d
}

func (s *session) describe(now int64) SessionDescribed {
	view := SessionDescribed{
		ID: s.id, Online: s.online, Gateway: s.server, ClientIP: s.ip, LastSeen: ms(now - s.lastSeen), Layer: s.layer,
		TakesUpdates: s.takesUpdates(), UpdatesLost: s.updates.gap, LoginEnded: s.ended,
		Window: WindowView{len(s.window.ids), s.window.floor, s.window.last()},
		Outbox: OutboxView{Queued: len(s.queue), Unacked: len(s.sent), Bytes: s.bytes},
		Acks:   len(s.acks),
	}
	if s.server == "" {
		view.Gateway = s.lastServer
	}
	if len(s.sent) > 0 {
		view.Outbox.OldestMs = ms(now - s.sent[0].sentAt)
	}
	if s.http != nil {
		view.HTTPRequests = len(s.http.slots)
	}
	return view
}

func (w *MainAuthWrapper) describeCalls(wall int64) CallsView {
	view := CallsView{List: []CallView{}}
	for _, c := range w.calls.list {
		switch {
		case c.phase <= phaseReady:
			view.Waiting++
		case c.phase == phasePushed:
			view.Promised++
		default:
			view.AtBFF++
		}
		if len(view.List) < describedCalls {
			view.List = append(view.List, CallView{c.method.Name, c.meta.SessionID, c.meta.MsgID, phaseNames[c.phase], max(0, ms(wall-timeOf(c.meta.MsgID)))})
		}
	}
	return view
}

func ms(ns int64) int64 { return ns / int64(time.Millisecond) }
