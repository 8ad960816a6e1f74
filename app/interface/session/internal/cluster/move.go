package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	// takeOver is how long after a change of the ring, beyond ReleaseAfter, a key
	// that is not here may still be on another node: that one hears of the change
	// later, and offers what it has then.
	takeOver = 10 * time.Second
	// fetchPause is between two attempts to get a key. A node that has not heard yet
	// of the change refuses it.
	fetchPause = 250 * time.Millisecond
	// silences is how often a node that is not there, or does not answer, is asked for a
	// key; silentFor is how long it is not asked for any other then.
	silences  = 2
	silentFor = 5 * time.Second
	// stateBytes bounds what a key may bring along: more than it may keep.
	stateBytes = 128 << 20
	// keyTime is how long a key may take of many that are fetched: twice of what it
	// takes on two shared cores.
	keyTime = 200 * time.Microsecond
	// outcomeTries is how often a packet, or the outcome of a call, is sent after its key.
	outcomeTries = 4
)

// Former are the nodes that may have a key in memory which is not here: its owner, where
// that is another node, its owners by the rings of a moment ago, and, where this node has
// just joined, who owned it before. The latest is first.
func (c *Cluster) Former(permAuthKeyID int64) []string {
	if c.keys == nil {
		return nil
	}
	return c.former(permAuthKeyID, c.now()-int64(c.o.ReleaseAfter+takeOver))
}

// Fetch asks nodes for a key, one after the other, and calls done once: with what the
// first of them had; with nil, since none had it; with runloop.ErrNoAnswer, since one of
// them gave no answer; or with a *runloop.MovedError, since one has it and is its owner by
// the rings of both. Somebody waits for the key, so it takes PeerTimeout at most. A node
// that refuses the key although it is another's by this node's ring has yet to hear of a
// change, or this node has. If patient, that node is asked for ReleaseAfter longer: who
// begins the key anew makes calls again that were made there.
func (c *Cluster) Fetch(permAuthKeyID int64, from []string, patient bool, done func(st *session.KeyState, err error)) {
	until := c.now() + int64(c.o.PeerTimeout)
	refused := until
	if patient {
		refused += int64(c.o.ReleaseAfter)
	}
	if !c.fetches.Go(func() { done(c.fetch(permAuthKeyID, from, until, refused, patient)) }) {
		done(nil, runloop.ErrNoAnswer)
	}
}

// fetch asks one node after the other: until a time, and a node that refuses until a later
// one. It asks a node again where an answer may have been lost: in the same attempt a node
// gives the same state. A node that does not answer is asked for no key at all for
// silentFor, for it may have many keys, and the clients of each would wait for it, one
// after the other. Every other node is asked at least once, also when the time is up: it
// may have passed while the nodes before were asked.
//
// A node that stood still reads later what it was asked meanwhile, and gives the key to an
// attempt that is over. So the next fetch goes on with that attempt, unless the key may have
// begun here in between: last says that it may after this one.
func (c *Cluster) fetch(permAuthKeyID int64, from []string, until, refused int64, last bool) (st *session.KeyState, none error) {
	in := &session.HandOverRequest{To: c.Self(), PermAuthKeyId: permAuthKeyID, RequestId: c.openAttempt(permAuthKeyID)}
	defer func() {
		if none != nil && !last {
			c.keepAttempt(permAuthKeyID, in.RequestId)
		}
	}()
	for _, node := range from {
		silence, limit := 0, until
		for again := false; ; again = true {
			if again {
				c.o.Sleep(fetchPause)
			}
			if again && c.now() >= limit || c.isSilent(node) {
				none = runloop.ErrNoAnswer
				break
			}
			st, err := c.ask(in, node)
			if err == nil && st != nil {
				metrics.Moves.Inc("taken")
				if st.OnlineNode == "" {
					st.OnlineNode = node
				}
				return st, nil
			}
			if err == nil || status.Code(err) == codes.Unimplemented {
				break
			}
			if errors.Is(err, errClosed) { // this node stops, and nobody waits for its keys
				return nil, runloop.ErrNoAnswer
			}
			if owner, _ := c.Owner(permAuthKeyID); keeps(err) && owner == node {
				return nil, &runloop.MovedError{To: node}
			}
			if refuses(err) {
				silence, limit = 0, refused // also where the next answer is lost
			}
			metrics.Moves.Inc("failed")
			if Unable(err) {
				if silence++; silence == silences {
					c.silence(node)
				}
			}
		}
	}
	return nil, none
}

// isSilent reports whether a node did not answer a moment ago.
func (c *Cluster) isSilent(node string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent[node] > c.now()
}

func (c *Cluster) silence(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	maps.DeleteFunc(c.silent, func(_ string, until int64) bool { return until <= now })
	c.silent[node] = now + int64(silentFor)
}

// answers notes that a node is there after all.
func (c *Cluster) answers(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.silent, node)
}

// attempt is one to get a key that a node has not answered.
type attempt struct {
	id    uint64
	until int64 // when it is over, Unix nanoseconds
}

// openAttempt returns the id of the attempt in which a key is fetched: of the one before, if
// that was kept, or of a new one.
func (c *Cluster) openAttempt(permAuthKeyID int64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, ok := c.attempts[permAuthKeyID]
	delete(c.attempts, permAuthKeyID)
	if ok && kept.until > c.now() {
		return kept.id
	}
	var id [8]byte
	_, _ = io.ReadFull(c.o.Rand, id[:])
	return max(binary.LittleEndian.Uint64(id[:]), 1)
}

// keepAttempt has the next fetch of a key go on with an attempt. That fetch comes within
// ReleaseAfter, when pushes that wait for the key ask for it again (Parking).
func (c *Cluster) keepAttempt(permAuthKeyID int64, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.attempts) >= lostKeys {
		maps.DeleteFunc(c.attempts, func(_ int64, a attempt) bool { return a.until <= now })
	}
	if len(c.attempts) < lostKeys {
		c.attempts[permAuthKeyID] = attempt{id, now + int64(2*c.o.ReleaseAfter)}
	}
}

// refuses reports whether a node that is there does not give a key away, or not to this
// node: it has yet to hear of a change of the ring, or this one has.
func refuses(err error) bool { return keeps(err) || is(err, rpcerr.ErrNodeStranger) }

// keeps reports whether a node takes a key for its own.
func keeps(err error) bool { return is(err, rpcerr.ErrKeyStays) }

// IsFull reports whether another node says that the key has no room for what was sent. A node
// that sheds load has the same code, and has not looked at the key.
func IsFull(err error) bool {
	return is(err, rpcerr.ErrChannelFull) && status.Convert(err).Message() == rpcerr.ErrChannelFull.Message
}

func is(err error, want *rpcerr.Error) bool {
	return status.Code(err) == codes.Code(uint32(want.Code)) //nolint:gosec // positive
}

// Unable reports whether a node could not do what it was asked for, by the error of the
// call: it is not there, does not answer, or does not know the call, as one of an earlier
// release. Nobody takes back a call to a node, so one that is canceled has lost its
// connection, which is closed here when the node has left for good (Nodes.Keep).
func Unable(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Unimplemented, codes.Canceled:
		return true
	}
	return false
}

func (c *Cluster) ask(in *session.HandOverRequest, node string) (*session.KeyState, error) {
	client, err := c.Nodes.Peer(node)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(SendForwarded(context.Background()), c.o.PeerTimeout/2)
	defer cancel()
	out, err := client.HandOver(ctx, in, grpc.MaxCallRecvMsgSize(stateBytes))
	return out.GetState(), err
}

// SendAfter sends an input after a key that has moved to a node, again where it does not
// arrive; updates are kept until nodes agree (Park). What says nothing to another node goes
// nowhere.
func (c *Cluster) SendAfter(permAuthKeyID int64, to string, in sess.Input) {
	switch in := in.(type) {
	case *sess.CallDone:
		r := &session.FollowRequest{PermAuthKeyId: permAuthKeyID, What: &session.FollowRequest_Outcome{Outcome: sess.Outcome(in)}}
		if send := c.outcome(to, r); !c.inOrder(to, permAuthKeyID, len(r.GetOutcome().GetReply()), send) {
			c.Nodes.Aside(send) // its order does not matter
		}
		return
	case *sess.SendFailed:
		r := &session.FollowRequest{PermAuthKeyId: permAuthKeyID, What: &session.FollowRequest_Lost{Lost: &session.LostPacket{
			ServerId: in.ServerID, AuthKeyId: in.AuthKeyID, SessionId: in.SessionID,
		}}}
		c.inOrder(to, permAuthKeyID, 0, func() { _ = c.follow(to, r) }) // else it is sent again, unacknowledged
		return
	}
	c.sendAfter(permAuthKeyID, to, in, 1)
}

// sendAfter sends what came from outside, for the try-th time. Its sender has been told
// that it is taken: where the other node's mailbox is full, or its answer lost, it is sent
// again, which does no harm.
func (c *Cluster) sendAfter(permAuthKeyID int64, to string, in sess.Input, try int) {
	call, size := Request(permAuthKeyID, in)
	if call == nil {
		return
	}
	c.SendOn(permAuthKeyID, size, to, func(err error) {
		switch {
		case err == nil:
		case sess.IsPush(in):
			c.Park(permAuthKeyID, in)
		case try < outcomeTries:
			c.schedule(fetchPause<<try, func() { c.sendAfter(permAuthKeyID, to, in, try+1) })
		}
	}, call)
}

// outcome sends the outcome of a call, again when it may not have arrived: it is no
// use to anybody else, and twice it does no harm.
func (c *Cluster) outcome(to string, r *session.FollowRequest) func() {
	return func() {
		for try := range outcomeTries {
			if try > 0 {
				c.o.Sleep(fetchPause << try)
			}
			err := c.follow(to, r)
			if err == nil {
				return
			}
			if errors.Is(err, errClosed) {
				break
			}
		}
		metrics.Moves.Inc("outcome lost")
	}
}

func (c *Cluster) follow(to string, r *session.FollowRequest) error {
	client, err := c.Nodes.Peer(to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(SendForwarded(context.Background()), c.o.PeerTimeout)
	defer cancel()
	_, err = client.Follow(ctx, r, grpc.MaxCallSendMsgSize(stateBytes))
	return err
}

func (c *Cluster) inOrder(to string, permAuthKeyID int64, size int, f func()) bool {
	return c.Nodes.InOrder(to, permAuthKeyID, size, func(session.RPCSessionClient) { f() }) == nil
}

// Homeless keeps updates for a key that nobody had, until nodes agree whose it is. Packets
// are not kept: their clients repeat them.
func (c *Cluster) Homeless(permAuthKeyID int64, in sess.Input) {
	if sess.IsPush(in) {
		c.Park(permAuthKeyID, in)
	}
}

// Park keeps an input for a key that is not in memory here, until nodes agree whose it
// is (Parking).
func (c *Cluster) Park(permAuthKeyID int64, in sess.Input) {
	call, size := Request(permAuthKeyID, in)
	if call == nil {
		return
	}
	c.Parked.Keep(Push{
		Key: permAuthKeyID, Size: size,
		Deliver: func() bool { return c.keys.Owe(permAuthKeyID, in) },
		Expect:  func() bool { return c.keys.Expect(permAuthKeyID) },
		Lost:    func() { c.Lost(permAuthKeyID, in) },
		SendOn:  func(owner string, done func(error)) { c.SendOn(permAuthKeyID, size, owner, done, call.Final()) },
	})
}

// Request makes the call that brings an input to another node, and says how many
// bytes it holds; nil: the input is none of those that come from outside.
func Request(permAuthKeyID int64, in sess.Input) (call Call, size int) {
	switch in := in.(type) {
	case *sess.PushUpdates:
		r := &session.TLSessionPushUpdatesData{PermAuthKeyId: permAuthKeyID, Notification: in.Notification, Updates: in.Updates}
		return func(ctx context.Context, node session.RPCSessionClient) error {
			_, err := node.SessionPushUpdatesData(ctx, r)
			return err
		}, len(in.Updates)
	case *sess.PushSessionUpdates:
		r := &session.TLSessionPushSessionUpdatesData{PermAuthKeyId: permAuthKeyID, AuthKeyId: in.AuthKeyID, SessionId: in.SessionID, Updates: in.Updates}
		return func(ctx context.Context, node session.RPCSessionClient) error {
			_, err := node.SessionPushSessionUpdatesData(ctx, r)
			return err
		}, len(in.Updates)
	case *sess.PushRPCResult:
		r := &session.TLSessionPushRpcResultData{
			PermAuthKeyId: permAuthKeyID, AuthKeyId: in.AuthKeyID, SessionId: in.SessionID, ClientReqMsgId: in.ReqMsgID, RpcResultData: in.RPCResult,
		}
		return func(ctx context.Context, node session.RPCSessionClient) error {
			_, err := node.SessionPushRpcResultData(ctx, r)
			return err
		}, len(in.RPCResult)
	case *sess.Data:
		r := &session.TLSessionSendDataToSession{Data: &session.SessionClientData{
			PredicateName: "sessionClientData", ServerId: in.ServerID, ConnType: connType(in.NewConn), AuthKeyId: in.AuthKeyID, KeyType: int32(in.KeyType),
			PermAuthKeyId: permAuthKeyID, SessionId: in.SessionID, ClientIp: in.ClientIP, Salt: in.Salt, Payload: in.Payload,
		}}
		return func(ctx context.Context, node session.RPCSessionClient) error {
			_, err := node.SessionSendDataToSession(ctx, r)
			return err
		}, len(in.Payload)
	case *sess.ConnNew:
		r := &session.TLSessionCreateSession{Client: &session.SessionClientEvent{
			PredicateName: "sessionClientEvent", ServerId: in.ServerID, AuthKeyId: in.AuthKeyID, KeyType: int32(in.KeyType),
			PermAuthKeyId: permAuthKeyID, SessionId: in.SessionID, ClientIp: in.ClientIP,
		}}
		return func(ctx context.Context, node session.RPCSessionClient) error {
			_, err := node.SessionCreateSession(ctx, r)
			return err
		}, 0
	case *sess.ConnClosed:
		r := &session.TLSessionCloseSession{Client: &session.SessionClientEvent{
			PredicateName: "sessionClientEvent", ServerId: in.ServerID, AuthKeyId: in.AuthKeyID, PermAuthKeyId: permAuthKeyID, SessionId: in.SessionID,
		}}
		return func(ctx context.Context, node session.RPCSessionClient) error {
			_, err := node.SessionCloseSession(ctx, r)
			return err
		}, 0
	}
	return nil, 0
}

// connType is that of the first packet of a session at a gateway, or of a later one.
func connType(first bool) int32 {
	if first {
		return 1
	}
	return 0
}
