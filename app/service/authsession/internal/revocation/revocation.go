// Package revocation tells session nodes that logins have ended, so that what
// is connected with them feels it at once and not when its node asks again; and,
// where that is wanted, other devices of a user that a login has begun.
//
// A key's node is found by the ring that all peers share, and hears of the key
// by the push that it gets from sync for the same purpose (PEERS.md,
// "Pushes"). Telling is bounded and never fails the call that ended the login:
// a node that was not told looks for itself within two minutes, or at once when
// the client makes a call.
package revocation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/app/internal/ring"
	"github.com/tgsession/tgsession/app/internal/rpcclient"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	patience     = 500 * time.Millisecond // Notifier.wait
	parallel     = 64                     // pushes at a time to one node
	etcdPatience = 5 * time.Second

	codeRedirect   codes.Code = 700
	redirectPrefix            = "REDIRECT_TO_"
)

// kind is what nodes are told of. Its counter has the results told, failed and
// nobody (no node known).
type kind struct {
	name    string // in the log
	counter metric.CounterVec
}

var (
	endedLogins = kind{"ended logins, it will find out by itself", metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "revocation",
		Name:      "told_total",
		Help:      "Ended logins that session nodes were to be told of, by result: told, failed, nobody (no session node is known). A node that was not told looks for itself within two minutes.",
		Labels:    []string{"result"},
	})}
	begunLogins = kind{"devices' other logins", metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "authsession",
		Subsystem: "new_login",
		Name:      "told_total",
		Help:      "Devices that were to be told of another login of their user, by result: told, failed, nobody (no session node is known).",
		Labels:    []string{"result"},
	})}
)

var errNobody = errors.New("no session node is known")

// Notifier tells session nodes. Its methods may be called from any goroutine;
// a nil Notifier tells nobody.
type Notifier struct {
	conf zrpc.RpcClientConf
	ring atomic.Pointer[ring.Ring]
	sub  *discovery.Subscription // nil when the nodes are fixed
	wait time.Duration           // for all nodes and keys of a call

	mu     sync.Mutex
	conns  map[string]*grpc.ClientConn // of nodes on the ring
	closed bool
}

// New follows the nodes that c names: its Endpoints, else what its Etcd lists;
// nil when it names none. An etcd that does not answer is an error after 5 s.
// The rest of c is for the connection to each node.
func New(c zrpc.RpcClientConf) (*Notifier, error) {
	n := &Notifier{conf: c, wait: patience, conns: map[string]*grpc.ClientConn{}}
	n.ring.Store(ring.New(c.Endpoints))
	if len(c.Endpoints) > 0 {
		return n, nil
	}
	if len(c.Etcd.Hosts) == 0 {
		return nil, nil
	}
	sub, err := discovery.Subscribe(context.Background(), c.Etcd, etcdPatience, n.update)
	if err != nil {
		return nil, fmt.Errorf("session nodes (%s): %w", c.Etcd.Key, err)
	}
	n.sub = sub
	return n, nil
}

// update makes the ring of nodes. An empty list changes nothing: an etcd that
// lost its data must not silence a cluster that works.
func (n *Notifier) update(nodes []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(nodes) == 0 || n.closed {
		return
	}
	now := ring.New(nodes)
	n.ring.Store(now)
	for addr, conn := range n.conns {
		if !now.Has(addr) {
			_ = conn.Close()
			delete(n.conns, addr)
		}
	}
}

// Close ends the connections.
func (n *Notifier) Close() {
	if n == nil {
		return
	}
	if n.sub != nil {
		n.sub.Close()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, conn := range n.conns {
		_ = conn.Close()
	}
	clear(n.conns)
}

// Tell tells the nodes of perm keys that userID's login (0: whoever's) on them
// has ended. It returns when all have answered, at the latest after 500 ms,
// even when ctx ends before: the logins are over by then.
func (n *Notifier) Tell(ctx context.Context, userID int64, perms []int64) {
	n.TellAll(ctx, map[int64][]int64{userID: perms})
}

// TellAll is Tell for several users at once, within the same time.
func (n *Notifier) TellAll(ctx context.Context, users map[int64][]int64) {
	n.tellAll(ctx, users, false)
}

// LookAgain tells the nodes of perm keys that something may have ended there
// that they have not heard of, or that another login has taken its place: they
// have to ask. Users (0: not known) are those whose logins may have ended.
func (n *Notifier) LookAgain(ctx context.Context, users map[int64][]int64) {
	n.tellAll(ctx, users, true)
}

func (n *Notifier) tellAll(ctx context.Context, users map[int64][]int64, look bool) {
	var list []notice
	for userID, perms := range users {
		for _, perm := range perms {
			list = append(list, notice{perm: perm, updates: accountReset(userID, perm), look: look})
		}
	}
	n.deliver(ctx, endedLogins, list)
}

// notice is what the node of a perm key is to be told.
type notice struct {
	perm    int64
	updates []byte
	look    bool // of an ended login: it may be another's, or none
}

// deliver tells the nodes of all perm keys, for up to 500 ms.
func (n *Notifier) deliver(ctx context.Context, what kind, list []notice) {
	if n == nil || len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.wait)
	defer cancel()
	nodes := n.ring.Load()
	of := map[string][]notice{}
	for _, x := range list {
		owner := nodes.Owner(x.perm)
		of[owner] = append(of[owner], x)
	}
	var wg sync.WaitGroup
	for node, notices := range of { // a silent node holds up its own keys alone
		wg.Go(func() { n.tellNode(ctx, what, node, notices) })
	}
	wg.Wait()
}

func (n *Notifier) tellNode(ctx context.Context, what kind, node string, list []notice) {
	if node == "" {
		what.counter.Add(float64(len(list)), "nobody")
		logx.WithContext(ctx).Errorf("%d %s: %v", len(list), what.name, errNobody)
		return
	}
	client, done, err := n.client(node)
	if err != nil {
		failed(ctx, what, node, len(list), err)
		return
	}
	defer done()
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, len(list))
	for range min(parallel, len(list)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
				errs[i] = n.push(ctx, client, &session.TLSessionPushUpdatesData{
					PermAuthKeyId: list[i].perm, Notification: list[i].look, Updates: list[i].updates,
				})
			}
		})
	}
	wg.Wait()
	failures := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	what.counter.Add(float64(len(list)-len(failures)), "told")
	if len(failures) > 0 {
		failed(ctx, what, node, len(failures), failures[0])
	}
}

func failed(ctx context.Context, what kind, node string, count int, err error) {
	what.counter.Add(float64(count), "failed")
	logx.WithContext(ctx).Errorf("session node %s was not told of %d %s: %v", node, count, what.name, err)
}

// push follows one redirect: the node's ring may be newer than ours.
func (n *Notifier) push(ctx context.Context, client session.RPCSessionClient, in *session.TLSessionPushUpdatesData) error {
	_, err := client.SessionPushUpdatesData(ctx, in)
	owner, redirected := redirect(err)
	if !redirected {
		return err
	}
	client, done, err := n.client(owner)
	if err != nil {
		return err
	}
	defer done()
	_, err = client.SessionPushUpdatesData(ctx, in)
	return err
}

func redirect(err error) (owner string, ok bool) {
	s, _ := status.FromError(err)
	if s.Code() != codeRedirect {
		return "", false
	}
	return strings.CutPrefix(s.Message(), redirectPrefix)
}

// client is the session service of a node; done must be called after its use.
// Only nodes on the ring keep their connection.
func (n *Notifier) client(node string) (client session.RPCSessionClient, done func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, nil, errNobody
	}
	done = func() {}
	conn := n.conns[node]
	if conn == nil {
		if conn, err = n.dial(node); err != nil {
			return nil, nil, err
		}
		if n.ring.Load().Has(node) {
			n.conns[node] = conn
		} else {
			done = func() { _ = conn.Close() }
		}
	}
	return session.NewRPCSessionClient(conn), done, nil
}

// dial connects when it is first used. Time limits are ours, and a breaker
// would keep quiet towards a node that has come back.
func (n *Notifier) dial(node string) (*grpc.ClientConn, error) {
	if _, _, err := net.SplitHostPort(node); err != nil {
		return nil, fmt.Errorf("session node %q: %w", node, err)
	}
	c := n.conf
	c.Endpoints, c.Target, c.Etcd = []string{node}, "", discov.EtcdConf{}
	c.NonBlock = true
	c.Middlewares.Timeout = false
	c.Middlewares.Breaker = false
	client, err := zrpc.NewClient(c, zrpc.WithDialOption(rpcclient.Reconnect()), zrpc.WithDialOption(rpcclient.NoticeLoss(c.KeepaliveTime)))
	if err != nil {
		return nil, err
	}
	return client.Conn(), nil
}
