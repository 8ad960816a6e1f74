package links

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/internal/passthrough"
)

// The methods of etcd whose answers hold addresses.
const (
	rangeMethod   = "/etcdserverpb.KV/Range"
	watchMethod   = "/etcdserverpb.Watch/Watch"
	membersMethod = "/etcdserverpb.Cluster/MemberList"
)

// view is a member of etcd with other addresses in its answers.
type view struct {
	swap    func(string) string
	lis     net.Listener
	server  *grpc.Server
	conn    *grpc.ClientConn
	serving sync.WaitGroup
}

func newView(member string, swap func(string) string) (*view, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("links: %w", err)
	}
	conn, err := grpc.NewClient("passthrough:///"+member,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(passthrough.Codec)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second}}),
	)
	if err != nil {
		_ = lis.Close()
		return nil, fmt.Errorf("links: %w", err)
	}
	v := &view{swap: swap, lis: lis, conn: conn}
	v.server = grpc.NewServer(
		grpc.ForceServerCodecV2(passthrough.Codec),
		grpc.UnknownServiceHandler(v.pass),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	)
	return v, nil
}

func (v *view) addr() string { return v.lis.Addr().String() }

func (v *view) serve() { v.serving.Go(func() { _ = v.server.Serve(v.lis) }) }

func (v *view) close() {
	v.server.Stop()
	_ = v.lis.Close()
	v.serving.Wait()
	_ = v.conn.Close()
}

// pass passes one call on, of any method.
func (v *view) pass(_ any, down grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(down)
	ctx, cancel := context.WithCancel(down.Context())
	defer cancel()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	up, err := v.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	var asking sync.WaitGroup
	asking.Go(func() { ask(up, down) })
	defer func() { cancel(); asking.Wait() }()
	for {
		var answer passthrough.Frame
		if err := up.RecvMsg(&answer); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if answer, err = v.named(method, answer); err != nil {
			return err
		}
		if err := down.SendMsg(&answer); err != nil {
			return err
		}
	}
}

// ask passes requests on until there are no more.
func ask(up grpc.ClientStream, down grpc.ServerStream) {
	for {
		var request passthrough.Frame
		if down.RecvMsg(&request) != nil {
			_ = up.CloseSend()
			return
		}
		if up.SendMsg(&request) != nil {
			return // who receives hears why
		}
	}
}

// message is what etcd's messages are.
type message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// named puts the other addresses into an answer.
func (v *view) named(method string, answer passthrough.Frame) (passthrough.Frame, error) {
	var m message
	var swap func()
	switch method {
	case rangeMethod:
		r := &etcdserverpb.RangeResponse{}
		m, swap = r, func() {
			for _, kv := range r.Kvs {
				kv.Value = []byte(v.swap(string(kv.Value)))
			}
		}
	case watchMethod:
		r := &etcdserverpb.WatchResponse{}
		m, swap = r, func() {
			for _, e := range r.Events {
				e.Kv.Value = []byte(v.swap(string(e.Kv.Value)))
			}
		}
	case membersMethod:
		r := &etcdserverpb.MemberListResponse{}
		m, swap = r, func() {
			for _, member := range r.Members {
				for i, url := range member.ClientURLs {
					member.ClientURLs[i] = v.swap(url)
				}
			}
		}
	default:
		return answer, nil
	}
	if err := m.Unmarshal(answer); err != nil {
		return nil, fmt.Errorf("links: %s: %w", method, err)
	}
	swap()
	return m.Marshal()
}
