package sim

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/zeromicro/go-zero/core/breaker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	nodecluster "github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/dispatch"
	"github.com/tgsession/tgsession/app/interface/session/internal/peers"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/server"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/svc"
	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/proto/session"
)

// peerTimeout is that of the calls that peers make.
const peerTimeout = 2 * time.Second

// node is one life of a session node: the real parts, on virtual time.
type node struct {
	c    *cluster
	addr string
	svc  *svc.ServiceContext
	srv  *server.Server
	// peers is what other nodes call.
	peers *server.Nodes
	dead  bool  // it crashed, or has left
	still int64 // until when it stands still
	gone  bool  // it leaves: nobody shall find it any more
	last  bool  // it left when its ring had no other node

	listing listing

	polls   []*poll
	reports way // to status
}

// poll is an HTTP request that waits for its packet.
type poll struct {
	key    int64
	slot   sess.Slot
	packet <-chan []byte
	done   func(payload []byte)
	over   bool
	cut    bool // who reads the answer will be gone when it is there
}

func newNode(c *cluster, addr string) *node {
	n := &node{c: c, addr: addr}
	s := svc.Prepare(c.config, c.schema, addr)
	n.listing.hear = c.hearTime
	s.Cluster.Lease = &n.listing
	times := &c.config.Session
	routes := dispatch.Routes{}
	for _, group := range c.schema.Groups() {
		routes[group] = n.conn("bff", times.CallTimeout, c.bff.serve)
	}
	now := func() int64 { return c.now }
	s.Build(svc.Deps{
		Auth:   n.conn("auth", times.PeerTimeout, c.storage.serve),
		Routes: routes,
		Node: func(to string) (nodecluster.Conn, error) {
			return asking{n.conn("node", times.PeerTimeout, func(ctx context.Context, _ string, in any) (any, error) {
				return c.forwarded(n.calling(ctx), to, in)
			})}, nil
		},
		Send:   n.send,
		Notify: n.notify,
		Machine: func(real *sess.MainAuthWrapper, key int64, unbound, came bool) runloop.Machine {
			if !came && (n.listing.unheard || c.someAway() || !c.watch.refusals[asked{addr, key}]) {
				c.watch.anewAt[key] = c.now
			}
			return c.watch.machine(n, key, unbound, !came, real)
		},
		Cluster: func(real *nodecluster.Cluster) runloop.Cluster { return excusing{real, n} },
		Breaker: func(string) breaker.Breaker { return breaker.NopBreaker() },
		Now:     now,
		Wall:    func() int64 { return c.wall(addr) },
		Limits:  func(l *sess.Config) { *l = c.given },
		Spawn:   n.spawn,
		Later: func(d time.Duration, f func()) (cancel func()) {
			off := false
			c.watch.letGo(n)
			c.after(d, func() {
				if !off && !n.dead {
					f()
				}
			})
			return func() { off = true }
		},
		Sleep: func(d time.Duration) { c.sleep(d) },
		Rand:  c,
	})
	n.svc, n.srv = s, server.New(s)
	n.peers = server.NewNodes(n.srv)
	n.turn()
	n.recheck()
	n.touch()
	return n
}

// spawn starts f, unless the node is dead by then.
func (n *node) spawn(f func()) {
	n.c.spawn(func() {
		if !n.dead {
			f()
		}
	})
}

// excusing notes what the cluster says of heirs. One elsewhere gets nothing: the
// client repeats it.
type excusing struct {
	*nodecluster.Cluster
	n *node
}

func (e excusing) Owns(key int64) bool {
	mine := e.Cluster.Owns(key)
	if !mine {
		e.n.c.watch.excused, e.n.c.watch.movedAt[key] = e.n.c.now, e.n.c.now
	}
	return mine
}

// Fetch is as patient as nodes are. A key that begins anew although another node is
// there that refuses it is not excused by that (watch.anewAt), unless etcd has let a node go:
// that one does not know it, and refuses for as long.
func (e excusing) Fetch(key int64, from []string, patient bool, done func(*session.KeyState, error)) {
	w, id := e.n.c.watch, asked{e.n.addr, key}
	w.waits[id] = true
	e.Cluster.Fetch(key, from, patient && !e.n.c.hasty, func(st *session.KeyState, err error) {
		delete(w.waits, id)
		done(st, err)
		delete(w.refusals, id)
	})
}

func (n *node) conn(peer string, timeout time.Duration, serve func(context.Context, string, any) (any, error)) *conn {
	return &conn{c: n.c, from: n, peer: peer, timeout: timeout, serve: serve}
}

// asking notes which keys other nodes refuse, and which packets. Those are sent again, a
// few times, and then their clients repeat them.
type asking struct{ *conn }

func (k asking) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	err := k.conn.Invoke(ctx, method, in, out, opts...)
	switch r := in.(type) {
	case *session.TLSessionSendDataToSession:
		if err != nil {
			k.c.watch.handedOf(r.GetData().GetPayload()).excused++
		}
	case *session.HandOverRequest:
		code := int32(status.Code(err))
		k.c.watch.refusals[asked{k.from.addr, r.GetPermAuthKeyId()}] = code == rpcerr.ErrKeyStays.Code || code == rpcerr.ErrNodeStranger.Code
	}
	return err
}

// turn turns the timing wheel.
func (n *node) turn() {
	if n.dead {
		return
	}
	n.svc.Runloop.Advance()
	pause := runloop.Tick
	if n.c.silent && n.c.polls == 0 {
		pause = 10 * runloop.Tick // nobody counts on it
	}
	n.c.after(pause, n.turn)
}

// send is the way of a packet to its gateway.
func (n *node) send(key int64, s sess.Send) {
	if n.dead {
		return
	}
	n.c.gatewayOf(s.ServerID).fromNode(n, key, s)
}

// failed tells the wrapper that a packet did not reach a connection.
func (n *node) failed(key int64, s sess.Send) {
	if !n.dead {
		n.svc.SendFailed(key, s)
	}
}

// notify reports to status. peers.Status asks late whose key it is; what is under
// way it does not call back.
func (n *node) notify(r sess.Request) {
	if n.dead {
		return
	}
	at := max(n.c.now+int64(n.c.latency()), n.reports.last+1)
	n.reports.last = at
	switch r := r.(type) {
	case *sess.SetOnline:
		elsewhere := !n.svc.Cluster.Owns(r.AuthKeyID)
		n.c.at(at, func() {
			lost := r.Renews && n.c.status.lost(n.addr, r)
			taken := !elsewhere && n.c.status.take(n.addr, r)
			n.c.after(n.c.latency(), func() {
				if !n.dead && (!taken || r.Confirm || lost) {
					n.svc.Announced(r.AuthKeyID, &sess.Announced{At: r.At, Failed: !taken, Lost: lost})
				}
			})
		})
	case *sess.SetOffline:
		if n.svc.Cluster.Owns(r.AuthKeyID) {
			n.c.at(at, func() { n.c.status.take(n.addr, r) })
		}
	}
}

// recheck looks after the node's entries at status.
func (n *node) recheck() {
	if n.dead || n.c.silent {
		return
	}
	n.c.spawn(func() {
		if n.dead {
			return
		}
		n.svc.Recheck(context.Background(), n.c.now, func(_ context.Context, entries []peers.Entry) ([]peers.Entry, error) {
			if !n.c.sleep(n.c.latency()) {
				return nil, errUnavailable
			}
			missing, err := n.c.status.missing(n.addr, entries)
			if !n.c.sleep(n.c.latency()) || n.dead {
				return nil, errUnavailable
			}
			return missing, err
		})
		n.c.after(time.Second, n.recheck)
	})
}

// touch tells authsession who uses logins.
func (n *node) touch() {
	n.c.after(peers.TouchEvery, func() {
		if n.dead || n.c.silent {
			return
		}
		n.spawn(func() { n.svc.Touches.Tell(context.Background()) })
		n.touch()
	})
}

// take serves a request whose answer is a status. It answers in time, as the
// real handler does, even when the request still waits.
func (n *node) take(ctx context.Context, in any, follow bool, timeout time.Duration, done func(error)) {
	answered, settled := false, false
	answer := func(err error) {
		if !answered && !n.dead {
			answered = true
			done(err)
		}
	}
	known := n.srv.Take(ctx, received(in), follow, func(err error) {
		n.c.watch.check(!settled, "handlers", "%T is answered twice", in)
		settled = true
		answer(err)
	})
	n.c.watch.check(known, "handlers", "%T is not served", in)
	n.c.after(timeout-server.Margin, func() { answer(status.Error(500, "INTERNAL_SERVER_ERROR")) })
	n.c.after(handlerTime, func() { n.c.watch.check(settled || n.dead, "handlers", "%T is never answered", in) })
}

// received is a request as it comes out of gRPC: a packet lies in a buffer of its own,
// which its machine gives back.
func received(in any) any {
	if r, ok := in.(*session.TLSessionSendDataToSession); ok && r.GetData() != nil {
		return &session.TLSessionSendDataToSession{Constructor: r.GetConstructor(), Data: receivedData(r.GetData())}
	}
	return in
}

func receivedData(d *session.SessionClientData) *session.SessionClientData {
	d = proto.CloneOf(d)
	d.Payload = buffers.Copy(d.GetPayload())
	return d
}

// handlerTime is the longest that a handler may hold on to a request: a lookup
// and a request sent on, each with one before it in its lane.
const handlerTime = 60 * time.Second

// takeHTTP serves a packet that came over HTTP: like the real handler, but for
// the goroutine that waits.
func (n *node) takeHTTP(ctx context.Context, d *session.SessionClientData, timeout time.Duration, done func(payload []byte, err error)) {
	until := n.c.now + int64(timeout-server.Margin)
	slot, packet := n.svc.Runloop.Slots.Open()
	p := &poll{slot: slot, packet: packet}
	end := func(payload []byte, err error) {
		if p.over || n.dead {
			return
		}
		p.over = true
		n.svc.Runloop.Slots.Close(slot)
		if p.cut && kept(payload) {
			_, _ = n.svc.Runloop.Tell(p.key, &sess.HTTPGone{Slot: slot, Lost: payload})
			payload, err = nil, errUnavailable
		}
		done(payload, err)
	}
	p.done = func(payload []byte) { end(payload, nil) }
	n.srv.TakeHTTP(ctx, receivedData(d), slot, time.Unix(0, until), func(key int64, owner string, err error) {
		switch {
		case err != nil:
			end(nil, err)
		case owner != "":
			left := time.Duration(until - n.c.now)
			n.c.bringHTTP(n.calling(nodecluster.SendForwarded(ctx)), owner, d, left, end)
		default:
			p.key, p.cut = key, n.c.besieged && n.c.chance(20)
			n.polls = append(n.polls, p)
			n.c.polls++
		}
	})
	n.c.at(until+int64(server.Margin/2), func() {
		if p.over || n.dead {
			return
		}
		if p.key != 0 && len(packet) == 0 {
			n.c.watch.check(n.c.watch.waits[asked{n.addr, p.key}], "handlers", "an HTTP request of %x was not answered by its deadline", p.key)
		}
		end(nil, nil)
	})
}

// answerPolls gives HTTP requests the packets that are there.
func (n *node) answerPolls() {
	waiting := n.polls[:0]
	for _, p := range n.polls {
		if len(p.packet) > 0 {
			p.done(<-p.packet)
		}
		if !p.over {
			waiting = append(waiting, p)
		}
	}
	n.c.polls -= len(n.polls) - len(waiting)
	clear(n.polls[len(waiting):])
	n.polls = waiting
}

// The cluster's side of a call.

// call brings a request to a node, and the status back.
func (c *cluster) call(addr string, in any, follow bool, done func(error)) {
	over := false
	end := func(err error) {
		if !over {
			over = true
			done(err)
		}
	}
	fault := c.drawCallFault("session")
	c.after(peerTimeout, func() { end(errDeadline) })
	if fault == lost {
		return
	}
	c.after(c.latency(), func() {
		n := c.nodes[addr]
		if n == nil || n.dead || fault == refused {
			c.after(c.latency(), func() { end(errUnavailable) })
			return
		}
		came := c.now
		n.take(context.Background(), in, follow, peerTimeout, func(err error) {
			c.watch.accepted(in, came, err)
			switch fault {
			case unanswered:
				return
			case cut:
				err = errUnavailable
			}
			c.after(c.latency(), func() { end(err) })
		})
	})
}

// callHTTP brings a packet that came over HTTP from a gateway to a node, and what
// it answers back.
func (c *cluster) callHTTP(addr string, d *session.SessionClientData, timeout time.Duration, done func([]byte, error)) {
	c.bringHTTP(context.Background(), addr, d, timeout, done)
}

// bringHTTP is callHTTP with the context of the request at the node.
func (c *cluster) bringHTTP(ctx context.Context, addr string, d *session.SessionClientData, timeout time.Duration, done func([]byte, error)) {
	over := false
	end := func(payload []byte, err error) {
		if !over {
			over = true
			done(payload, err)
		}
	}
	fault := c.drawCallFault("session")
	c.after(timeout, func() { end(nil, errDeadline) })
	if fault == lost {
		return
	}
	c.after(c.latency(), func() {
		n := c.nodes[addr]
		if n == nil || n.dead || fault == refused {
			end(nil, errUnavailable)
			return
		}
		n.takeHTTP(ctx, d, timeout, func(payload []byte, err error) {
			if fault == arrives {
				c.after(c.latency(), func() { end(payload, err) })
			}
		})
	})
}

// forwarded is a request that one node sends on to another.
func (c *cluster) forwarded(ctx context.Context, addr string, in any) (any, error) {
	c.note("session", "is sent on")
	n := c.nodes[addr]
	if n == nil || n.dead {
		return nil, errUnavailable
	}
	switch in := in.(type) {
	case *session.TLSessionQueryAuthKey:
		return n.srv.SessionQueryAuthKey(ctx, in)
	case *session.OfferKeysRequest:
		if c.former {
			return nil, errUnimplemented
		}
		return n.peers.OfferKeys(ctx, in)
	case *session.FollowRequest:
		return n.peers.Follow(ctx, in)
	case *session.HandOverRequest:
		if c.former {
			return nil, errUnimplemented
		}
		return n.handOverUnlessStill(ctx, in)
	}
	w := c.wait()
	err := errDeadline
	timeout := c.config.Session.PeerTimeout
	n.take(ctx, in, false, timeout, func(e error) {
		err = e
		w.end()
	})
	w.expire(timeout)
	if !w.wait() {
		return nil, errUnavailable
	}
	return yes, err
}

// handOver gives a key away, when its machine says what there is of it.
func (n *node) handOver(ctx context.Context, in *session.HandOverRequest) (any, error) {
	w := n.c.wait()
	out, err := (*session.HandOverReply)(nil), errDeadline
	refused := n.peers.TakeHandOver(ctx, in, func(st *session.KeyState) {
		out, err = &session.HandOverReply{State: st}, nil
		w.end()
	})
	if refused != nil {
		return nil, refused
	}
	w.expire(n.c.config.Session.PeerTimeout)
	if !w.wait() {
		return nil, errUnavailable
	}
	return out, err
}

// calling is the context of a request by n at the node that gets it.
func (n *node) calling(ctx context.Context) context.Context {
	md, _ := grpcmetadata.FromOutgoingContext(ctx)
	ctx = peer.NewContext(context.Background(), &peer.Peer{Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(n.addr))})
	return grpcmetadata.NewIncomingContext(ctx, md)
}

// retryable reports whether a gateway calls another node after an error.
func retryable(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

var _ grpc.ClientConnInterface = (*conn)(nil)
