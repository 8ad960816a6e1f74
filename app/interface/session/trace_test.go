package session

import (
	"context"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/proto/session"
)

// spans are what a collector has got.
type spans struct {
	collector.UnimplementedTraceServiceServer
	mu   sync.Mutex
	list []*tracepb.Span
}

func (s *spans) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range in.GetResourceSpans() {
		for _, scope := range r.GetScopeSpans() {
			s.list = append(s.list, scope.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// named are the spans of a name; of a trace, where one is given.
func (s *spans) named(name string, trace []byte) (found []*tracepb.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.list {
		if span.GetName() == name && (trace == nil || string(span.GetTraceId()) == string(trace)) {
			found = append(found, span)
		}
	}
	return found
}

// collect serves OTLP and returns the configuration of who sends there.
func collect(t testing.TB) (s *spans, telemetry string) {
	t.Helper()
	s = &spans{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := grpc.NewServer()
	collector.RegisterTraceServiceServer(g, s)
	go func() { _ = g.Serve(listener) }()
	t.Cleanup(g.Stop)
	return s, "Telemetry: {Name: node, Endpoint: '" + listener.Addr().String() + "', Batcher: otlpgrpc, Sampler: 1.0}"
}

// tracedBy is who called with a header of W3C trace context.
func tracedBy(ctx context.Context) (trace, span string) {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, v := range md.Get("traceparent") {
		if parts := strings.Split(v, "-"); len(parts) == 4 {
			return parts[1], parts[2]
		}
	}
	return "", ""
}

// A packet, the call that it brings, and the answer are one trace: the gateway's, where it
// calls for each packet; over a stream one of its own, with a link to the stream's. The BFF
// was called in a trace of its own, and answers were in none.
func TestTraceFromGatewayToAnswer(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for name, streaming := range map[string]bool{"unary": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			s, telemetry := collect(t)
			asked := make(chan [2]string, 1)
			c.bff.on("/mtproto.RPCUsers/users_getUsers", func(ctx context.Context) ([]byte, error) {
				trace, span := tracedBy(ctx)
				asked <- [2]string{trace, span}
				return nil, nil
			})
			gate := c.serveMail(streaming)
			p := c.startProcess(t, telemetry)
			d := c.user(permA, 77)
			answered := make(chan struct{}, 8)
			gate.on(d.session, func(m message) {
				if m.constructor() == rpcResult {
					answered <- struct{}{}
				}
			})
			ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+trace+"-"+parent+"-01"))
			defer cancel()
			data := &session.TLSessionSendDataToSession{Data: d.message(getUsers, true)}
			if streaming {
				rpc, err := p.stream.SessionDataStream(ctx)
				require.NoError(t, err)
				require.NoError(t, rpc.Send(&session.SessionStreamRequest{RequestId: "1", Payload: &session.SessionStreamRequest_SendData{SendData: data}}))
				_, err = rpc.Recv()
				require.NoError(t, err)
			} else {
				_, err := p.rpc.SessionSendDataToSession(ctx, data)
				require.NoError(t, err)
			}
			atBFF := <-asked
			<-answered
			cancel() // the stream ends, and with it its span

			var call, packet, answer, client *tracepb.Span
			one := func(name string, of []byte) *tracepb.Span {
				t.Helper()
				require.Eventually(t, func() bool { return len(s.named(name, of)) > 0 }, 30*time.Second, 20*time.Millisecond, name)
				found := s.named(name, of)
				require.Len(t, found, 1, name)
				return found[0]
			}
			call = one("users.getUsers", nil)
			if streaming {
				packet = one("session.RPCSessionStream/send_data", call.GetTraceId())
				stream := one("session.RPCSessionStream/SessionDataStream", nil)
				require.Equal(t, trace, hex.EncodeToString(stream.GetTraceId()))
				require.Len(t, packet.GetLinks(), 1)
				require.Equal(t, stream.GetSpanId(), packet.GetLinks()[0].GetSpanId(), "it leads to the stream")
				require.Empty(t, packet.GetParentSpanId(), "it begins a trace of its own")
			} else {
				packet = one("session.RPCSession/session_sendDataToSession", call.GetTraceId())
				require.Equal(t, []string{trace, parent}, []string{hex.EncodeToString(packet.GetTraceId()), hex.EncodeToString(packet.GetParentSpanId())})
			}
			client = one("mtproto.RPCUsers/users_getUsers", call.GetTraceId())
			answer = one("answer", call.GetTraceId())
			require.Equal(t, packet.GetSpanId(), call.GetParentSpanId(), "the call belongs to its packet")
			require.Equal(t, call.GetSpanId(), client.GetParentSpanId(), "the BFF is called for the call")
			require.Equal(t, []string{hex.EncodeToString(client.GetTraceId()), hex.EncodeToString(client.GetSpanId())}, atBFF[:], "the BFF goes on from there")
			require.Equal(t, packet.GetSpanId(), answer.GetParentSpanId(), "and so does the answer")
			require.LessOrEqual(t, call.GetEndTimeUnixNano(), answer.GetEndTimeUnixNano())
			if !streaming {
				out := one("gateway.RPCGateway/gateway_sendDataToGateway", call.GetTraceId())
				require.Equal(t, answer.GetSpanId(), out.GetParentSpanId(), "the gateway is called for the answer")
			}
			for _, span := range s.list {
				for _, a := range span.GetAttributes() {
					require.NotContains(t, a.GetValue().GetStringValue(), "203.0.113.7", "no address of a client in %s", span.GetName())
				}
			}
		})
	}
}
