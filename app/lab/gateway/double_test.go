package gateway_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	gatewaypb "github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// sessionDouble is a session service that remembers: a real gRPC server, and
// nothing behind it.
type sessionDouble struct {
	session.UnimplementedRPCSessionServer
	session.UnimplementedRPCSessionStreamServer
	addr string

	mu      sync.Mutex
	keys    map[int64]*mtproto.AuthKeyInfo
	set     []*session.TLSessionSetAuthKey
	data    []*session.SessionClientData
	closed  []*session.SessionClientEvent
	queries int
	reply   []byte // to packets over HTTP
}

func startSession(t *testing.T) *sessionDouble {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &sessionDouble{addr: lis.Addr().String(), keys: map[int64]*mtproto.AuthKeyInfo{}}
	srv := grpc.NewServer()
	session.RegisterRPCSessionServer(srv, s)
	session.RegisterRPCSessionStreamServer(srv, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return s
}

func boolTrue() *mtproto.Bool { return &mtproto.Bool{PredicateName: "boolTrue"} }

func (s *sessionDouble) SessionQueryAuthKey(_ context.Context, q *session.TLSessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries++
	if k, ok := s.keys[q.GetAuthKeyId()]; ok {
		return k, nil
	}
	return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
}

func (s *sessionDouble) SessionSetAuthKey(_ context.Context, q *session.TLSessionSetAuthKey) (*mtproto.Bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = append(s.set, q)
	s.keys[q.GetAuthKey().GetAuthKeyId()] = q.GetAuthKey()
	return boolTrue(), nil
}

func (s *sessionDouble) SessionSendDataToSession(_ context.Context, q *session.TLSessionSendDataToSession) (*mtproto.Bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.keys[q.GetData().GetAuthKeyId()]; !known {
		return nil, status.Error(401, "AUTH_KEY_UNREGISTERED")
	}
	s.data = append(s.data, q.GetData())
	return boolTrue(), nil
}

// SessionDataStream serves the same calls.
func (s *sessionDouble) SessionDataStream(stream session.RPCSessionStream_SessionDataStreamServer) error {
	for {
		q, err := stream.Recv()
		if err != nil {
			return err // the gateway is done
		}
		out := &session.SessionStreamResponse{RequestId: q.GetRequestId(), Payload: &session.SessionStreamResponse_Ack{Ack: &session.SessionStreamAck{Success: true}}}
		switch r := q.GetPayload().(type) {
		case *session.SessionStreamRequest_SendData:
			_, err = s.SessionSendDataToSession(stream.Context(), r.SendData)
		case *session.SessionStreamRequest_CloseSession:
			_, err = s.SessionCloseSession(stream.Context(), r.CloseSession)
		case *session.SessionStreamRequest_QueryAuthKey:
			var key *mtproto.AuthKeyInfo
			key, err = s.SessionQueryAuthKey(stream.Context(), r.QueryAuthKey)
			out.Payload = &session.SessionStreamResponse_AuthKey{AuthKey: key}
		}
		if err != nil {
			out.Payload = &session.SessionStreamResponse_Error{Error: &session.SessionStreamError{Code: int32(status.Code(err)), Message: status.Convert(err).Message()}}
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func (s *sessionDouble) SessionCloseSession(_ context.Context, q *session.TLSessionCloseSession) (*mtproto.Bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, q.GetClient())
	return boolTrue(), nil
}

// bind binds a temporary key, as auth.bindTempAuthKey does in the end.
func (s *sessionDouble) bind(temp, perm int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[temp]
	s.keys[temp] = &mtproto.AuthKeyInfo{AuthKeyId: temp, AuthKey: k.GetAuthKey(), AuthKeyType: k.GetAuthKeyType(), PermAuthKeyId: perm, TempAuthKeyId: temp}
}

func (s *sessionDouble) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

func (s *sessionDouble) received() []*session.SessionClientData {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*session.SessionClientData(nil), s.data...)
}

func (s *sessionDouble) closings() []*session.SessionClientEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*session.SessionClientEvent(nil), s.closed...)
}

// toGateway is the connection a session node answers through.
func toGateway(t *testing.T, serverID string) gatewaypb.RPCGatewayClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+serverID, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return gatewaypb.NewRPCGatewayClient(conn)
}
