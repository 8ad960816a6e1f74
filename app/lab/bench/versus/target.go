package versus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 40 * time.Second
)

// target is a process under load, session or the floor, and the two peers that
// call it: a gateway and sync, with a connection each.
type target struct {
	name    string
	child   *proc.Child
	debug   string // URL of its debug server
	conns   []*grpc.ClientConn
	gateway session.RPCSessionClient
	sync    session.RPCSessionClient
	packets *sender // nil: by unary calls
	pushes  *sender
	devices []*device
}

// sender writes to a stream for many callers, and reads the answers away.
type sender struct {
	mu     sync.Mutex
	last   uint64
	stream session.RPCSessionStream_SessionDataStreamClient
	ended  chan struct{} // closed when nothing is read any more
}

func openSender(ctx context.Context, conn *grpc.ClientConn) (*sender, error) {
	stream, err := session.NewRPCSessionStreamClient(conn).SessionDataStream(ctx)
	if err != nil {
		return nil, err
	}
	s := &sender{stream: stream, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		for {
			if _, err := stream.Recv(); err != nil {
				return
			}
		}
	}()
	return s, nil
}

func (s *sender) send(in *session.SessionStreamRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	in.RequestId = strconv.FormatUint(s.last, 10)
	return s.stream.Send(in)
}

// post sends a packet as the gateway does.
func (t *target) post(ctx context.Context, d *session.SessionClientData) error {
	in := &session.TLSessionSendDataToSession{Data: d}
	if t.packets != nil {
		return t.packets.send(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_SendData{SendData: in}})
	}
	_, err := t.gateway.SessionSendDataToSession(ctx, in)
	return err
}

// push sends updates as sync does.
func (t *target) push(ctx context.Context, key int64, updates []byte) error {
	in := &session.TLSessionPushUpdatesData{PermAuthKeyId: key, Updates: updates}
	if t.pushes != nil {
		return t.pushes.send(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_PushUpdates{PushUpdates: in}})
	}
	_, err := t.sync.SessionPushUpdatesData(ctx, in)
	return err
}

// start runs a program with "-f FILE", where file holds the text, and connects to it.
func start(ctx context.Context, name, dir, addr, debug string, program []string, text []byte, streams bool) (t *target, err error) {
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	t = &target{name: name, debug: "http://" + debug}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			t.close()
		}
	}()
	args := append(append([]string{}, program...), "-f", file)
	if t.child, err = proc.Start(proc.Spec{Name: name, Args: args, Output: filepath.Join(dir, name+".out")}); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err = t.child.WaitReady(ready, addr, func(context.Context) (bool, error) { return true, nil }); err != nil {
		return nil, err
	}
	for range 2 {
		conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		t.conns = append(t.conns, conn)
	}
	t.gateway, t.sync = session.NewRPCSessionClient(t.conns[0]), session.NewRPCSessionClient(t.conns[1])
	if streams {
		if t.packets, err = openSender(ctx, t.conns[0]); err != nil {
			return nil, err
		}
		if t.pushes, err = openSender(ctx, t.conns[1]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// close ends the process; nil is closed already.
func (t *target) close() {
	if t == nil {
		return
	}
	for _, c := range t.conns {
		_ = c.Close()
	}
	for _, s := range []*sender{t.packets, t.pushes} {
		if s != nil {
			<-s.ended
		}
	}
	if t.child != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = t.child.Stop(ctx)
	}
}
