package floor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/app/lab/proc"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// around is the floor's peers: what they got, in order.
type around struct {
	gateway.UnimplementedRPCGatewayServer
	gateway.UnimplementedRPCGatewayStreamServer
	packets chan *gateway.TLGatewaySendDataToGateway
	calls   chan *metadata.RpcMetadata
	request chan int
}

func (a *around) GatewaySendDataToGateway(_ context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	a.packets <- in
	return boolTrue, nil
}

func (a *around) GatewayDataStream(s gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	for {
		in, err := s.Recv()
		if err != nil {
			return err
		}
		a.packets <- in.GetSendData()
		if err := s.Send(&gateway.GatewayStreamResponse{Success: true}); err != nil {
			return err
		}
	}
}

func (a *around) bff(_ any, s grpc.ServerStream) error {
	var in passthrough.Frame
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	path, _ := grpc.MethodFromServerStream(s)
	caller := &metadata.RpcMetadata{ServerId: path}
	for _, text := range grpcmetadata.ValueFromIncomingContext(s.Context(), "rpc_metadata") {
		b, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			err = proto.Unmarshal(b, caller)
		}
		if err != nil {
			return err
		}
	}
	a.calls <- caller
	a.request <- len(in)
	return s.SendMsg(passthrough.Frame("answer"))
}

func serve(t *testing.T, g *grpc.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return l.Addr().String()
}

// startFloor runs the floor between peers; the configuration is a file as the
// process has it.
func startFloor(t *testing.T, unary, calls bool) (a *around, gate string, conn *grpc.ClientConn) {
	t.Helper()
	a = &around{packets: make(chan *gateway.TLGatewaySendDataToGateway, 8), calls: make(chan *metadata.RpcMetadata, 8), request: make(chan int, 8)}
	g := grpc.NewServer()
	gateway.RegisterRPCGatewayServer(g, a)
	gateway.RegisterRPCGatewayStreamServer(g, a)
	gate = serve(t, g)
	bff := serve(t, grpc.NewServer(grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(a.bff)))
	caller, err := proto.Marshal(&metadata.RpcMetadata{Layer: 223, Client: "android", UserId: 5})
	require.NoError(t, err)
	listen, err := proc.FreeAddr()
	require.NoError(t, err)
	text, err := json.Marshal(Config{
		ListenOn: listen, Debug: "127.0.0.1:0", BFF: bff, Calls: calls, Method: "/mtproto.RPCUsers/users_getUsers",
		Caller: caller, RequestBytes: 30, AnswerBytes: 100, PushBytes: 60, UnaryGateway: unary,
	})
	require.NoError(t, err)
	var c Config
	require.NoError(t, json.Unmarshal(text, &c))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.serve(ctx) }()
	conn, err = dial(listen)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		require.NoError(t, <-ended)
	})
	return a, gate, conn
}

func packet(gate string) *session.SessionClientData {
	return &session.SessionClientData{
		ServerId: gate, ConnType: 1, AuthKeyId: 11, PermAuthKeyId: 12, SessionId: 13, ClientIp: "203.0.113.7", Payload: []byte{21, 0, 0, 0, 0, 0, 0, 0, 1},
	}
}

func TestHops(t *testing.T) {
	for name, unary := range map[string]bool{"unary": true, "streams": false} {
		t.Run(name, func(t *testing.T) {
			a, gate, conn := startFloor(t, unary, true)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			send := &session.TLSessionSendDataToSession{Data: packet(gate)}
			push := &session.TLSessionPushUpdatesData{PermAuthKeyId: 12}
			if unary {
				rpc := session.NewRPCSessionClient(conn)
				_, err := rpc.SessionSendDataToSession(ctx, send, grpc.WaitForReady(true))
				require.NoError(t, err)
				_, err = rpc.SessionPushUpdatesData(ctx, push)
				require.NoError(t, err)
			} else {
				s, err := session.NewRPCSessionStreamClient(conn).SessionDataStream(ctx, grpc.WaitForReady(true))
				require.NoError(t, err)
				require.NoError(t, s.Send(&session.SessionStreamRequest{RequestId: "1", Payload: &session.SessionStreamRequest_SendData{SendData: send}}))
				ack, err := s.Recv()
				require.NoError(t, err)
				require.Equal(t, "1", ack.GetRequestId())
				require.True(t, ack.GetAck().GetSuccess())
				require.Len(t, (<-a.packets).GetPayload(), 100)
				a.packets <- &gateway.TLGatewaySendDataToGateway{Payload: make([]byte, 100), AuthKeyId: 11, SessionId: 13} // looked at below
				require.NoError(t, s.Send(&session.SessionStreamRequest{RequestId: "2", Payload: &session.SessionStreamRequest_PushUpdates{PushUpdates: push}}))
			}
			for _, size := range []int{100, 60} {
				out := <-a.packets
				require.Len(t, out.GetPayload(), size)
				require.EqualValues(t, 11, out.GetAuthKeyId())
				require.EqualValues(t, 13, out.GetSessionId())
			}
			caller := <-a.calls
			require.Equal(t, []int64{11, 12, 13, 21, 5}, []int64{caller.GetAuthId(), caller.GetPermAuthKeyId(), caller.GetSessionId(), caller.GetClientMsgId(), caller.GetUserId()})
			require.Equal(t, "android", caller.GetClient())
			require.Equal(t, 30, <-a.request)
		})
	}
}

// Where packets are no calls, they only make their key known.
func TestPacketsThatAreNoCalls(t *testing.T) {
	a, gate, conn := startFloor(t, true, false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	rpc := session.NewRPCSessionClient(conn)
	push := &session.TLSessionPushUpdatesData{PermAuthKeyId: 12}
	_, err := rpc.SessionPushUpdatesData(ctx, push, grpc.WaitForReady(true))
	require.NoError(t, err)
	require.Empty(t, a.packets, "a key that never came")
	_, err = rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: packet(gate)})
	require.NoError(t, err)
	require.Empty(t, a.packets)
	require.Empty(t, a.calls)
	_, err = rpc.SessionPushUpdatesData(ctx, push)
	require.NoError(t, err)
	require.Len(t, (<-a.packets).GetPayload(), 60)
}

// What is wrong with the file or the addresses is said at once.
func TestFloorThatCannotServe(t *testing.T) {
	for name, tc := range map[string]struct{ text, err string }{
		"no JSON":        {"Name: x", "invalid character"},
		"no such caller": {`{"Caller": "/w=="}`, "Caller"},
		"no address":     {`{"ListenOn": "nowhere", "BFF": "127.0.0.1:1"}`, "missing port"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "floor.json")
			require.NoError(t, os.WriteFile(file, []byte(tc.text), 0o600))
			require.ErrorContains(t, Serve(file), tc.err)
		})
	}
	require.ErrorContains(t, Serve(filepath.Join(t.TempDir(), "none")), "no such file")
}
