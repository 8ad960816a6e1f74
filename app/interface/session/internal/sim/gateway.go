package sim

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	nodecluster "github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// gateway is a stock gateway (PEERS.md, "session" and "gateway"): it has the
// clients' connections, asks the nodes for keys, and chooses a node for each
// packet by a ring of its own.
type gateway struct {
	c      *cluster
	id     string
	stream bool // streams to nodes: no redirects, and no word of what failed
	away   bool
	ring   *nodecluster.Ring
	known  map[int64]*knownKey
	links  []*link
	lanes  map[int64]*way // to nodes, by session
	downs  map[int64]*way // from nodes, by session

	nodes map[string]*nodeLink // from nodes, under siege
	gone  int64                // until when it is not reached then
}

// knownKey is what a gateway knows of a transport key.
type knownKey struct {
	kind    int32
	perm    int64
	waiting []func(ok bool) // while it is asked for
	asking  bool
}

// link is a client's connection.
type link struct {
	g        *gateway
	s        *csession
	key      int64
	closed   bool
	greeted  bool // the session was announced by conn_type 1
	up, down way
}

const (
	httpTimeout = 30 * time.Second
	connNew     = 1
	connHTTP    = 2
)

func newGateway(c *cluster, id string) *gateway {
	return &gateway{
		c: c, id: id, stream: c.chance(2), ring: nodecluster.NewRing(c.listed), known: map[int64]*knownKey{},
		lanes: map[int64]*way{}, downs: map[int64]*way{}, nodes: map[string]*nodeLink{},
	}
}

func (g *gateway) update(nodes []string) {
	if len(nodes) > 0 {
		g.ring = nodecluster.NewRing(nodes)
	}
}

// crash closes all connections, without a word to the nodes.
func (g *gateway) crash(d time.Duration) {
	g.c.note(g.id[:8], "crashes")
	g.away = true
	for _, l := range slices.Clone(g.links) {
		l.drop()
	}
	g.known = map[int64]*knownKey{}
	g.c.after(d, func() {
		g.c.note(g.id[:8], "is back")
		g.away = false
	})
}

// connect opens a connection for a session.
func (g *gateway) connect(s *csession) *link {
	l := &link{g: g, s: s, key: s.key}
	g.links = append(g.links, l)
	return l
}

// drop ends a connection. What is on its way in it is lost.
func (l *link) drop() {
	if l.closed {
		return
	}
	l.closed = true
	l.g.links = slices.DeleteFunc(l.g.links, func(o *link) bool { return o == l })
	l.s.lostLink(l)
}

// close ends a connection, and the gateway says so to the session's node.
func (l *link) close() {
	if l.closed {
		return
	}
	l.drop()
	g, k := l.g, l.g.known[l.key]
	if k == nil || k.perm == 0 || slices.ContainsFunc(g.links, func(o *link) bool { return o.key == l.key && o.s.id == l.s.id }) {
		return
	}
	in := &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
		ServerId: g.id, AuthKeyId: l.key, KeyType: k.kind, PermAuthKeyId: k.perm, SessionId: l.s.id, ClientIp: l.s.c.ip,
	}}
	tell := func() { g.toNode(l.s.id, k.perm, in, 1) }
	switch {
	case g.c.besieged && g.stream:
		g.c.carry(g.lane(l.s.id), tell)
	case g.c.besieged && g.c.chance(2): // calls overtake each other
		g.c.after(g.c.between(0, time.Second), tell)
	default:
		g.c.after(0, tell)
	}
}

// fromClient takes a packet of a connection: bindTo is the perm key that a
// bind request in it names, or 0.
func (g *gateway) fromClient(l *link, salt int64, payload []byte, bindTo int64) {
	if l.closed || g.away {
		return
	}
	g.key(l.key, func(k *knownKey) {
		if l.closed {
			return
		}
		if k == nil {
			l.s.c.keyUnknown(l.key)
			return
		}
		if bindTo != 0 {
			k.perm = bindTo
		}
		d := &session.SessionClientData{
			ServerId: g.id, AuthKeyId: l.key, KeyType: k.kind, PermAuthKeyId: k.perm, SessionId: l.s.id,
			ClientIp: l.s.c.ip, Salt: salt, Payload: payload,
		}
		if !l.greeted {
			l.greeted, d.ConnType = true, connNew
		} else if g.c.besieged && g.c.chance(4) { // the client may have another connection when it comes
			g.lane(l.s.id).holdUp(g.c.now + int64(g.c.between(0, time.Second)))
		}
		g.c.carry(g.lane(l.s.id), func() {
			g.toNode(l.s.id, or(k.perm, l.key), &session.TLSessionSendDataToSession{Data: d}, 1)
		})
	})
}

func or(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}

func (g *gateway) lane(id int64) *way {
	if g.lanes[id] == nil {
		g.lanes[id] = &way{}
	}
	return g.lanes[id]
}

// key finds out about a transport key; nil: it is unknown. Nothing happens
// when nobody can tell.
func (g *gateway) key(id int64, f func(*knownKey)) {
	k := g.known[id]
	if k == nil {
		k = &knownKey{}
		g.known[id] = k
		g.query(id, k)
	}
	if !k.asking {
		f(k)
		return
	}
	k.waiting = append(k.waiting, func(ok bool) {
		if ok {
			f(k)
		} else {
			f(nil)
		}
	})
}

func (g *gateway) query(id int64, k *knownKey) {
	k.asking = true
	g.c.spawn(func() {
		var info *mtproto.AuthKeyInfo
		err := errUnavailable
		g.c.sleep(g.c.latency())
		if n := g.c.nodes[g.ring.Owner(id)]; n != nil {
			info, err = n.srv.SessionQueryAuthKey(context.Background(), &session.TLSessionQueryAuthKey{AuthKeyId: id})
			if n.dead {
				err = errUnavailable
			}
		}
		g.c.sleep(g.c.latency())
		g.c.note(g.id[:8], "asked for a key", id, int64(status.Code(err)))
		waiting := k.waiting
		k.asking, k.waiting = false, nil
		if err != nil {
			delete(g.known, id)
			if status.Code(err) != 401 {
				return // the client repeats itself
			}
		} else {
			k.kind, k.perm = info.GetAuthKeyType(), info.GetPermAuthKeyId()
		}
		for _, f := range waiting {
			f(err == nil)
		}
	})
}

// toNode brings a request to the node of a key, as a unary gateway or through
// a stream. tries is how often it may be repeated.
func (g *gateway) toNode(sessionID, hashed int64, in any, tries int) {
	addr := g.ring.Owner(hashed)
	g.sendTo(addr, sessionID, hashed, in, tries)
}

func (g *gateway) sendTo(addr string, sessionID, hashed int64, in any, tries int) {
	g.c.call(addr, in, !g.stream, func(err error) {
		if err != nil {
			g.c.note(g.id[:8], refusal(err), sessionID, int64(status.Code(err)))
			g.forget(in, err)
			if status.Code(err) == mailboxFull {
				g.c.watch.fullAt[sessionID] = g.c.now
			}
		}
		if err == nil || g.stream || tries == 0 {
			return
		}
		to, redirected := strings.CutPrefix(status.Convert(err).Message(), rpcerr.RedirectPrefix)
		switch {
		case redirected && g.ring.Has(to):
			g.sendTo(to, sessionID, hashed, in, tries-1)
		case retryable(err):
			g.toNode(sessionID, hashed, in, tries-1)
		}
	})
}

// refusal is what a trace says of a node's error.
func refusal(err error) string {
	switch status.Code(err) {
	case 420:
		return "is told that a mailbox is full"
	case 700:
		return "is redirected"
	case 401:
		return "is told that a key is unknown"
	}
	return "is refused"
}

// forget drops what is known of a key that a node refuses, so that its next
// packet asks anew, and its client learns of it.
func (g *gateway) forget(in any, err error) {
	if data, ok := in.(*session.TLSessionSendDataToSession); ok && status.Code(err) == 401 {
		delete(g.known, data.GetData().GetAuthKeyId())
	}
}

// fromNode takes a packet of a node for a client.
func (g *gateway) fromNode(n *node, owner int64, s sess.Send) {
	if g.downs[s.SessionID] == nil {
		g.downs[s.SessionID] = &way{}
	}
	fail := func() { g.c.after(g.c.latency(), func() { n.failed(owner, s) }) }
	handOut := func() { g.handOut(&s, fail) } // twice, where the network doubles it
	if g.c.besieged {
		if !g.queued(n, owner, s, handOut) {
			fail()
		}
		return
	}
	if g.c.chance(g.c.rates.fault) {
		fail() // whether or not it arrives
	}
	g.c.carry(g.downs[s.SessionID], handOut)
}

// handOut gives a packet to the connections that it is for. The first time it leaves the
// room that it was in.
func (g *gateway) handOut(s *sess.Send, fail func()) {
	if s.Room != nil {
		s.Payload, s.Tail = slices.Clone(s.Bytes()), nil
		s.Room.Free()
		s.Room = nil
	}
	packet := s.Bytes()
	if g.away {
		fail()
		return
	}
	found := false
	for _, l := range slices.Clone(g.links) {
		if l.key == s.AuthKeyID && l.s.id == s.SessionID {
			found = true
			g.c.carry(&l.down, func() {
				if !l.closed {
					l.s.receive(slices.Clone(packet))
				}
			})
		}
	}
	if !found && !g.stream {
		fail()
	}
}

// post takes an HTTP request, and brings back what answers it.
func (g *gateway) post(s *csession, salt int64, payload []byte, answer func([]byte)) {
	g.key(s.key, func(k *knownKey) {
		if k == nil {
			s.c.keyUnknown(s.key)
			return
		}
		d := &session.SessionClientData{
			ServerId: g.id, ConnType: connHTTP, AuthKeyId: s.key, SessionId: s.id, ClientIp: s.c.ip, Salt: salt, Payload: payload,
		}
		g.c.callHTTP(g.ring.Owner(s.key), d, httpTimeout, func(packet []byte, err error) {
			if err != nil {
				g.c.note(g.id[:8], refusal(err), s.id, int64(status.Code(err)))
				switch status.Code(err) {
				case 401:
					delete(g.known, s.key)
				case mailboxFull:
					g.c.watch.fullAt[s.id] = g.c.now
				}
			}
			g.c.carry(&way{}, func() { answer(packet) })
		})
	})
}
