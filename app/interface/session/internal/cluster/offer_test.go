package cluster

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/session"
)

// offering are the keys of a node that offers them.
type offering struct {
	Keys
	mu       sync.Mutex
	keys     []int64
	released []int64
	arrive   func() // as a key that was offered comes
}

func (*offering) NodesGone([]string) {}
func (*offering) Converged()         {}

func (o *offering) Arrive(key int64, _ string, _ func() (*session.KeyState, error)) {
	o.arrive()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = append(o.keys, key)
}

func (o *offering) Foreign(owned func(int64) bool) []int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.keys), owned)
}

func (o *offering) Release(keys []int64) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.released = append(o.released, keys...)
	return len(keys)
}

func (o *offering) letGo() []int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.released)
}

// choosy is a connection to a node that refuses some of the keys that it is offered.
type choosy struct {
	mu      sync.Mutex
	refused []int64
	times   int  // how often it refuses them; 0: always
	ends    bool // and then it is not there any more
	offered []int64
}

func (c *choosy) Invoke(_ context.Context, method string, in, out any, _ ...grpc.CallOption) error {
	offer, ok := in.(*session.OfferKeysRequest)
	if !ok {
		return status.Error(codes.Unimplemented, method)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered = append(c.offered, offer.GetPermAuthKeyIds()...)
	if c.ends && c.times == 0 {
		return status.Error(codes.Unavailable, "it has ended")
	}
	if c.times--; c.times == 0 {
		defer func() { c.refused = nil }()
	}
	out.(*session.OfferKeysReply).Refused = slices.DeleteFunc(slices.Clone(offer.GetPermAuthKeyIds()),
		func(key int64) bool { return !slices.Contains(c.refused, key) })
	return nil
}

func (c *choosy) had() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.offered)
}

func (*choosy) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "")
}

func (*choosy) Close() error { return nil }

// offers makes a node whose keys are those, and which others it offers to.
func offers(t *testing.T, keys *offering, nodes map[string]*choosy) *Cluster {
	c := New("10.0.0.1:20120")
	c.Join(keys, Options{
		PeerTimeout: 2 * time.Second, ReleaseAfter: 3 * time.Second, Now: func() int64 { return time.Now().UnixNano() },
		Dial: func(addr string) (Conn, error) { return nodes[addr], nil },
	})
	t.Cleanup(func() {
		c.StopMoves()
		c.Close()
	})
	return c
}

// keyOf is a key that a node owns in one ring after the other.
func keyOf(node string, rings ...*Ring) (key int64) {
	for key = 1; slices.ContainsFunc(rings, func(r *Ring) bool { return r.Owner(key) != node }); key++ {
	}
	return key
}

// A third node joins while keys are offered to the second. The second has heard of it, and
// refuses the keys that are the third's by now. This node, which had yet to hear, let go of
// them, and the third began them anew.
func TestKeysThatAreRefusedForANodeThatJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const self, second, third = "10.0.0.1:20120", "10.0.0.2:20120", "10.0.0.3:20120"
		two, three := NewRing([]string{self, second}), NewRing([]string{self, second, third})
		stays := keyOf(second, two, three)
		goesOn := int64(1)
		for two.Owner(goesOn) != second || three.Owner(goesOn) != third {
			goesOn++
		}
		keys := &offering{keys: []int64{stays, goesOn}}
		nodes := map[string]*choosy{second: {refused: []int64{goesOn}}, third: {}}
		c := offers(t, keys, nodes)
		c.Update([]string{second})
		time.Sleep(3100 * time.Millisecond) // they are offered
		c.Update([]string{second, third})
		time.Sleep(3100 * time.Millisecond)
		synctest.Wait()
		require.NotContains(t, keys.letGo(), goesOn)
		require.Contains(t, nodes[third].had(), goesOn)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ElementsMatch(t, []int64{stays, goesOn}, keys.letGo(), "those that nobody fetches go in the end")
	})
}

// A node that has yet to hear of a change refuses keys, and is asked again.
func TestRefusedKeysAreOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const self, second = "10.0.0.1:20120", "10.0.0.2:20120"
		key := keyOf(second, NewRing([]string{self, second}))
		node := &choosy{refused: []int64{key}, times: 2}
		c := offers(t, &offering{keys: []int64{key}}, map[string]*choosy{second: node})
		c.Update([]string{second})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []int64{key, key, key}, node.had())
	})
}

// A node that has taken some keys is not reached when it is asked again for the others: those
// alone are let go, while it fetches what it has taken.
func TestKeysThatWereTakenAreNotLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const self, second = "10.0.0.1:20120", "10.0.0.2:20120"
		ring := NewRing([]string{self, second})
		taken := keyOf(second, ring)
		refused := taken + 1
		for ring.Owner(refused) != second {
			refused++
		}
		keys := &offering{keys: []int64{taken, refused}}
		c := offers(t, keys, map[string]*choosy{second: {refused: []int64{refused}, times: 1, ends: true}})
		c.Update([]string{second})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, []int64{refused}, keys.letGo())
	})
}

// A node leaves the ring as a key comes that it was offered, and has offered the keys that it
// had: this one, too, goes on.
func TestAKeyThatComesAsItsNodeLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const self, second = "10.0.0.1:20120", "10.0.0.2:20120"
		keys, node := &offering{}, &choosy{}
		c := offers(t, keys, map[string]*choosy{second: node})
		c.Update([]string{second})
		keys.arrive = c.LeaveRing
		key := keyOf(self, NewRing([]string{self, second}))
		require.Empty(t, c.Offered(second, []int64{key}))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []int64{key}, node.had())
	})
}

// giving is a connection to a node that has every key, and takes a while to give it.
type giving struct{ still }

func (g giving) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	if strings.HasSuffix(method, "HandOver") {
		time.Sleep(100 * time.Millisecond)
	}
	return g.still.Invoke(ctx, method, in, out, opts...)
}

// The ring changed while a node fetched what it had been offered. What came later for another
// node stayed, and nobody was told of it.
func TestTheRingChangesWhileOfferedKeysCome(t *testing.T) {
	const from, third, fourth = "10.0.0.2:20120", "10.0.0.3:20120", "10.0.0.4:20120"
	for name, change := range map[string]func(c *Cluster){
		"a node joins":    func(c *Cluster) { c.Update([]string{from, third, fourth}) },
		"this one leaves": func(c *Cluster) { c.LeaveRing() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := func() int64 { return time.Now().UnixNano() }
				c := New("10.0.0.1:20120")
				keys := runloop.New(runloop.Options{
					New:     func(int64, bool) runloop.Machine { return logging(func(sess.Input) {}) },
					Import:  func(int64, *session.KeyState) (runloop.Machine, error) { return logging(func(sess.Input) {}), nil },
					Cluster: c, Now: now, MailboxItems: 100, MailboxBytes: 1 << 20,
				})
				c.Join(keys, Options{
					PeerTimeout: 2 * time.Second, ReleaseAfter: 3 * time.Second, Now: now,
					Dial: func(string) (Conn, error) { return giving{}, nil },
				})
				c.Update([]string{from, fourth})
				var mine []int64
				for key := int64(1); len(mine) < 100*fetchers; key++ { // they take ten seconds
					if c.Owns(key) {
						mine = append(mine, key)
					}
				}
				time.Sleep(3 * time.Second)
				require.Empty(t, c.Offered(from, mine))
				time.Sleep(time.Second)
				change(c)
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Empty(t, keys.Foreign(c.Owns))
				c.StopMoves()
				c.Close()
				keys.Wait()
			})
		})
	}
}

// A node that had not answered was not asked for any key for a while, though it offered them:
// it let go of all, and they began anew.
func TestANodeThatOffersKeysIsAskedForThem(t *testing.T) {
	waits(t, 2500*time.Millisecond, func(t *testing.T, w *waiting) {
		other := w.key + 1
		for !w.Owns(other) {
			other++
		}
		require.NoError(t, w.keys.Post(other, false, &sess.Data{}))
		require.Empty(t, w.has(3*time.Second), "it did not answer for the other key")
		require.Empty(t, w.Offered(formerNode, []int64{w.key}))
		require.Equal(t, []string{"moved: Arrived"}, w.has(time.Second))
	})
}
