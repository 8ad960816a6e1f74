package session

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// hangingNode is a node whose port takes connections and that never says
// anything: one that is frozen.
func hangingNode(t testing.TB) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close() // at the end of the test
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// A node could not end before each request that waited for a frozen one had
// waited for its time.
func TestStopIsBoundedWhileAnotherNodeHangs(t *testing.T) {
	c := startCluster(t)
	hanging := hangingNode(t)
	a := c.start()
	a.svc.Cluster.Update([]string{a.Address(), hanging})
	key := keyOf(t, a, hanging)
	updates := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updatesTooLong")
	for range 10 { // 20 s of waiting, one after the other
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		_, err := a.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: updates})
		cancel()
		require.Error(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_ = a.Stop(ctx) // that requests were cut is no surprise
	require.Less(t, time.Since(start), 15*time.Second)
}

// slowNode takes its time.
type slowNode struct {
	session.UnimplementedRPCSessionServer
	asked chan struct{}
}

func (n slowNode) SessionPushUpdatesData(ctx context.Context, _ *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	close(n.asked)
	select {
	case <-time.After(300 * time.Millisecond):
		return &mtproto.Bool{PredicateName: "boolTrue"}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// What is on its way to a node that is only slow still arrives.
func TestStopWaitsForRequestsThatWereSentOn(t *testing.T) {
	c := startCluster(t)
	a := c.start()
	slow := slowNode{asked: make(chan struct{})}
	c.serve("slow", func(g *grpc.Server) { session.RegisterRPCSessionServer(g, slow) })
	sent := make(chan error, 1)
	a.svc.Cluster.SendOn(1, 0, c.addr["slow"], func(err error) { sent <- err }, func(ctx context.Context, node session.RPCSessionClient) error {
		_, err := node.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: 1})
		return err
	})
	<-slow.asked
	a.stop()
	require.NoError(t, <-sent)
}

// Requests for a frozen node waited in the lanes of all, and what was for
// another node waited behind them, or was refused for want of room.
func TestAHangingNodeHoldsUpNoOther(t *testing.T) {
	c := startCluster(t)
	a := c.start(func(conf *Config) { conf.Session.PeerTimeout = time.Minute })
	a.svc.Cluster.Update([]string{a.Address(), "127.0.0.1:1", "127.0.0.1:2"}) // they are not called
	thaw := make(chan struct{})
	defer close(thaw)
	for key := range int64(4096) { // enough for all lanes
		a.svc.Cluster.SendOn(key, 16<<10, "127.0.0.1:1", func(error) {}, func(context.Context, session.RPCSessionClient) error {
			<-thaw
			return nil
		})
	}
	sent := make(chan error, 1)
	a.svc.Cluster.SendOn(1, 16<<10, "127.0.0.1:2", func(err error) { sent <- err }, func(context.Context, session.RPCSessionClient) error { return nil })
	select {
	case err := <-sent:
		require.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the other node")
	}
}
