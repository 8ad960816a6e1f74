package svc

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	zeroprometheus "github.com/zeromicro/go-zero/core/prometheus"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/cluster"
	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/tl"
)

// slowPeer is a connection whose calls are done when release is closed.
type slowPeer struct {
	grpc.ClientConnInterface
	release chan struct{}
}

func (p slowPeer) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	<-p.release
	return nil
}

// arrival is a key that asks for its state and its salts when it comes, as each does.
type arrival struct {
	key             int64
	answered, fault *atomic.Int64
}

func (a arrival) Step(_, _ int64, in sess.Input, out *sess.Effects) {
	switch in := in.(type) {
	case *sess.Data:
		out.Calls = append(out.Calls,
			sess.Call{Ticket: 1, Request: &sess.GetAuthState{AuthKeyID: a.key}},
			sess.Call{Ticket: 2, Request: &sess.GetSalts{AuthKeyID: a.key}})
	case *sess.CallDone:
		if in.Err != nil {
			a.fault.Add(1)
		}
		a.answered.Add(1)
	}
}

// When many clients came at once, after a gateway or another node had died, what did
// not fit into a queue of 4096 was answered 500, and came again.
func TestKeysThatComeAtOnceWaitForAuthsession(t *testing.T) {
	const arrivals = 30_000
	schema, err := tl.Load(tl.Default)
	require.NoError(t, err)
	c := config.Config{}
	c.SetDefaults()
	s := Prepare(c, schema, "10.0.0.1:20120")
	peer := slowPeer{release: make(chan struct{})}
	var answered, fault atomic.Int64
	s.Build(Deps{
		Auth: peer, Send: func(int64, sess.Send) {}, Notify: func(sess.Request) {},
		Node: func(string) (cluster.Conn, error) { return nil, context.Canceled },
		Machine: func(_ *sess.MainAuthWrapper, key int64, _, _ bool) runloop.Machine {
			return arrival{key, &answered, &fault}
		},
	})
	for key := range int64(arrivals) {
		require.NoError(t, s.Runloop.Post(key+1, false, &sess.Data{}))
	}
	close(peer.release)
	s.Runloop.Wait()
	s.Cluster.StopMoves()
	s.workers.Close()
	require.EqualValues(t, 2*arrivals, answered.Load())
	require.Zero(t, fault.Load())
}

// acknowledging is a key in which messages are acknowledged.
type acknowledging struct{ done chan struct{} }

func (a acknowledging) Step(_, _ int64, _ sess.Input, out *sess.Effects) {
	out.Counts = append(out.Counts, sess.Count{What: sess.CountAcks, N: 7})
	close(a.done)
}

// What happened since events were last exported, up to 5 s before, was never counted of
// a node that stopped.
func TestEventsBeforeTheEndAreCounted(t *testing.T) {
	zeroprometheus.Enable()
	acks := func() (n float64) {
		families, err := prometheus.DefaultGatherer.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "session_protocol_events_total" && m.GetLabel()[0].GetValue() == sess.CountAcks.String() {
					n = m.GetCounter().GetValue()
				}
			}
		}
		return n
	}
	schema, err := tl.Load(tl.Default)
	require.NoError(t, err)
	c := config.Config{}
	c.SetDefaults()
	s := Prepare(c, schema, "10.0.0.1:20120")
	done := make(chan struct{})
	s.Build(Deps{
		Node:    func(string) (cluster.Conn, error) { return nil, context.Canceled },
		Machine: func(*sess.MainAuthWrapper, int64, bool, bool) runloop.Machine { return acknowledging{done} },
	})
	before := acks()
	s.run()
	require.NoError(t, s.Runloop.Post(1, false, &sess.Tick{}))
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the key has done nothing")
	}
	s.Close()
	require.InDelta(t, 7, acks()-before, 0)
}
