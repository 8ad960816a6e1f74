package discovery

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// backup is an etcd at a revision, with one node.
type backup struct {
	pb.UnimplementedKVServer
	pb.UnimplementedWatchServer

	mu       sync.Mutex
	revision int64
	value    string
}

func (b *backup) be(revision int64, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revision, b.value = revision, value
}

func (b *backup) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &pb.RangeResponse{
		Header: &pb.ResponseHeader{Revision: b.revision},
		Kvs:    []*mvccpb.KeyValue{{Key: []byte("a.service/1"), Value: []byte(b.value)}},
	}, nil
}

// Watch has nothing to tell: its revisions are yet to come.
func (b *backup) Watch(stream pb.Watch_WatchServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := stream.Send(&pb.WatchResponse{Header: &pb.ResponseHeader{}, Created: true}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// An etcd that was restored from a backup is at an earlier revision: a watch
// that goes on from where it was would hear nothing for long.
func TestSubscriptionFollowsAnEtcdThatWasRestored(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	etcd := new(backup)
	etcd.be(1000, "a:1")
	g := grpc.NewServer()
	pb.RegisterKVServer(g, etcd)
	pb.RegisterWatchServer(g, etcd)
	go func() { _ = g.Serve(l) }()
	defer g.Stop()
	proxy := tcpproxy.Start(t, l.Addr().String())
	h := new(heard)
	sub, err := Subscribe(t.Context(), discov.EtcdConf{Hosts: []string{proxy.Addr()}, Key: "a.service"}, soon, h.update)
	require.NoError(t, err)
	defer sub.Close()
	require.Equal(t, []string{"a:1"}, h.last())
	proxy.CutSeen(t)
	etcd.be(10, "b:1")
	proxy.Restore()
	h.await(t, "b:1")
}
