package session

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/confreload"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/rpcserver"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// nodeFile makes this test binary a session node, so that a benchmark can
// tell what the node costs from what its peers in the test do.
const nodeFile = "TGSESSION_TEST_NODE"

// serveNode is the life of such a node.
func serveNode(file string) int {
	var c Config
	if _, err := conf.Load(file, &c); err != nil {
		return rpcserver.Fail("session", err)
	}
	s, err := New(c)
	if err != nil {
		return rpcserver.Fail("session", err)
	}
	if err := rpcserver.Run(s, 10*time.Second, confreload.New(c.Name, file, c, s.Reload).Run); err != nil {
		return rpcserver.Fail("session", err)
	}
	return 0
}

// process is a session node in a process of its own.
type process struct {
	tb     testing.TB
	pid    int
	addr   string
	rpc    session.RPCSessionClient
	stream session.RPCSessionStreamClient
}

// startProcess starts a node; more is further lines of its session.yaml.
func (c *cluster) startProcess(tb testing.TB, more ...string) *process {
	addr := freeport.Address(tb)
	file := filepath.Join(tb.TempDir(), "session.yaml")
	require.NoError(tb, os.WriteFile(file, fmt.Appendf(nil, `
Name: interface.session
ListenOn: %s
Log: {Mode: console, Encoding: plain, Level: severe, Stat: false}
AuthSession: {Endpoints: [%s]}
StatusClient: {Endpoints: [%s]}
GatewayClient: {Endpoints: [%s]}
BFFProxyClients:
  Clients: [{Endpoints: [%[5]s]}, {Endpoints: [%[6]s]}]
  IDMap: {/mtproto.RPCUsers: %[5]q, /mtproto.RPCUpdates: %[5]q, /mtproto.RPCConfiguration: %[6]q, /mtproto.RPCAuthorization: %[5]q}
%[7]s
`, addr, c.addr["authsession"], c.addr["status"], c.addr["gateway"], c.addr["bff"], cmp.Or(c.addr[ownBFF], c.addr["bff"]), strings.Join(more, "\n")), 0o600))
	var out bytes.Buffer
	cmd := scheduled("--other", "0", os.Args[0]) // whatever this process has (comeFirst)
	cmd.Env = append(os.Environ(), nodeFile+"="+file)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(tb, cmd.Start())
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		_ = conn.Close()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the node ended with %v\n%s", err, out.String())
		}
	})
	p := &process{tb: tb, pid: cmd.Process.Pid, addr: addr, rpc: session.NewRPCSessionClient(conn), stream: session.NewRPCSessionStreamClient(conn)}
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	_, err = p.rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: 1}, grpc.WaitForReady(true))
	require.NoError(tb, err)
	return p
}

// stop has the node stand still, and returns once it does: a busy machine lets some of
// its threads go on for a while. The function it returns lets the node go on.
func (p *process) stop() (goOn func()) {
	require.NoError(p.tb, syscall.Kill(p.pid, syscall.SIGSTOP))
	goOn = sync.OnceFunc(func() { require.NoError(p.tb, syscall.Kill(p.pid, syscall.SIGCONT)) })
	p.tb.Cleanup(goOn)
	var state syscall.WaitStatus
	_, err := syscall.Wait4(p.pid, &state, syscall.WUNTRACED, nil)
	require.NoError(p.tb, err)
	require.True(p.tb, state.Stopped(), "%v", state)
	return goOn
}

// cpu is how much CPU time the node has used, in steps of 10 ms.
func (p *process) cpu() (sum time.Duration) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		p.tb.Skip("no /proc here: ", err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")          // behind the name, which may hold anything
	for _, field := range strings.Fields(rest)[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		require.NoError(p.tb, err)
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// peakRSS is the most memory that the node has had resident since it began, in bytes.
func (p *process) peakRSS() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		p.tb.Skip("no /proc here: ", err)
	}
	_, rest, found := strings.Cut(string(b), "VmHWM:")
	require.True(p.tb, found)
	kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	require.NoError(p.tb, err)
	return kb * 1024
}

// mailGateway hands what session sends to the devices that wait for it.
type mailGateway struct {
	gateway.UnimplementedRPCGatewayServer
	mu    sync.Mutex
	boxes map[int64]func(message) // by session id
}

func (g *mailGateway) deliver(in *gateway.TLGatewaySendDataToGateway) {
	if box := g.box(in.GetSessionId()); box != nil {
		for _, m := range messages(in.GetPayload()) {
			box(m)
		}
	}
}

func (g *mailGateway) box(sessionID int64) func(message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.boxes[sessionID]
}

func (g *mailGateway) on(sessionID int64, box func(message)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.boxes[sessionID] = box
}

func (g *mailGateway) GatewaySendDataToGateway(_ context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	g.deliver(in)
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

// streams is a mailGateway's streaming side.
type streams struct {
	gateway.UnimplementedRPCGatewayStreamServer
	*mailGateway
}

func (g streams) GatewayDataStream(s gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	for {
		in, err := s.Recv()
		if err != nil {
			return err
		}
		g.deliver(in.GetSendData())
		if err := s.Send(&gateway.GatewayStreamResponse{Success: true}); err != nil {
			return err
		}
	}
}

// serveMail puts a mailGateway in the place of the cluster's gateway.
func (c *cluster) serveMail(streaming bool) *mailGateway {
	g := &mailGateway{boxes: map[int64]func(message){}}
	c.serve("gateway", func(s *grpc.Server) {
		gateway.RegisterRPCGatewayServer(s, g)
		if streaming {
			gateway.RegisterRPCGatewayStreamServer(s, streams{mailGateway: g})
		}
	}, grpc.ForceServerCodecV2(thrifty{encoding.GetCodecV2("proto"), g}))
	return g
}

// thrifty reads large packets that nobody here waits for without their payload: what memory
// for them would cost is not the node's.
type thrifty struct {
	encoding.CodecV2
	gate *mailGateway
}

func (c thrifty) Unmarshal(data mem.BufferSlice, v any) error {
	packet, call := v.(*gateway.TLGatewaySendDataToGateway)
	in, stream := v.(*gateway.GatewayStreamRequest)
	if stream {
		packet = &gateway.TLGatewaySendDataToGateway{}
	}
	if data.Len() < buffers.Smallest || !call && !stream {
		return c.CodecV2.Unmarshal(data, v)
	}
	readHead(data[0].ReadOnlyData(), packet)
	if c.gate.box(packet.GetSessionId()) != nil {
		return c.CodecV2.Unmarshal(data, v)
	}
	if stream {
		in.Payload = &gateway.GatewayStreamRequest_SendData{SendData: packet}
	}
	return nil
}

// readHead reads what stands before the payload.
func readHead(b []byte, packet *gateway.TLGatewaySendDataToGateway) {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		b = b[n:]
		x, n := protowire.ConsumeVarint(b)
		b = b[n:]
		switch {
		case kind == protowire.BytesType && field == 10: // a stream's: what is inside
		case kind == protowire.BytesType:
			return
		case field == 3:
			packet.AuthKeyId = int64(x)
		case field == 4:
			packet.SessionId = int64(x)
		}
	}
}
