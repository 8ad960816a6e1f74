package versus

import (
	"context"
	"encoding/base64"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	statuspb "github.com/tgsession/tgsession/proto/status"
)

// peers is what stands around the node: authsession, status, a gateway and a
// BFF, in this process and behind real gRPC. Session and the floor have the same.
type peers struct {
	auth, status, gateway, bff string // host:port

	gate *gate
	desk *desk
	stop []func()
}

var boolTrue = &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}

func startPeers() (p *peers, err error) {
	p = &peers{gate: &gate{}, desk: &desk{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.auth, err = p.serve(func(g *grpc.Server) { authsession.RegisterRPCAuthsessionServer(g, authRole{}) }); err != nil {
		return nil, err
	}
	if p.status, err = p.serve(func(g *grpc.Server) { statuspb.RegisterRPCStatusServer(g, statusRole{}) }); err != nil {
		return nil, err
	}
	p.gateway, err = p.serve(func(g *grpc.Server) {
		gateway.RegisterRPCGatewayServer(g, p.gate)
		gateway.RegisterRPCGatewayStreamServer(g, p.gate)
	})
	if err != nil {
		return nil, err
	}
	p.bff, err = p.serve(func(*grpc.Server) {}, grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(p.desk.serve))
	return p, err
}

func (p *peers) serve(register func(*grpc.Server), o ...grpc.ServerOption) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	g := grpc.NewServer(o...)
	register(g)
	go func() { _ = g.Serve(l) }()
	p.stop = append(p.stop, g.Stop)
	return l.Addr().String(), nil
}

func (p *peers) close() {
	for _, stop := range p.stop {
		stop()
	}
}

// authRole knows every key, each as the perm key of a user of its own.
type authRole struct {
	authsession.UnimplementedRPCAuthsessionServer
}

// clientLayer is the layer of all clients.
const clientLayer = 223

func (authRole) AuthsessionQueryAuthKey(_ context.Context, in *authsession.TLAuthsessionQueryAuthKey) (*mtproto.AuthKeyInfo, error) {
	return &mtproto.AuthKeyInfo{PredicateName: "authKeyInfo", AuthKeyId: in.AuthKeyId, AuthKey: make([]byte, 256), PermAuthKeyId: in.AuthKeyId}, nil
}

func (authRole) AuthsessionGetPermAuthKeyId(_ context.Context, in *authsession.TLAuthsessionGetPermAuthKeyId) (*mtproto.Int64, error) {
	return &mtproto.Int64{V: in.AuthKeyId}, nil
}

func (authRole) AuthsessionGetAuthStateData(_ context.Context, in *authsession.TLAuthsessionGetAuthStateData) (*authsession.AuthKeyStateData, error) {
	return &authsession.AuthKeyStateData{
		AuthKeyId: in.AuthKeyId, KeyState: 6, UserId: in.AuthKeyId,
		Client: &authsession.ClientSession{Layer: clientLayer, DeviceModel: "Bench", LangPack: "android", LangCode: "en"},
	}, nil
}

func (authRole) AuthsessionGetFutureSalts(context.Context, *authsession.TLAuthsessionGetFutureSalts) (*mtproto.FutureSalts, error) {
	const life = 24 * 3600 // no salt ends while it is measured
	now := int32(time.Now().Unix())
	out := &mtproto.FutureSalts{}
	for i := range int32(3) {
		out.Salts = append(out.Salts, &mtproto.TLFutureSalt{Data2: &mtproto.FutureSalt{
			ValidSince: now + i*life, ValidUntil: now + (i+1)*life, Salt: serverSalt + int64(i),
		}})
	}
	return out, nil
}

func (authRole) AuthsessionSetLayer(context.Context, *authsession.TLAuthsessionSetLayer) (*mtproto.Bool, error) {
	return boolTrue, nil
}

// statusRole takes who is online.
type statusRole struct {
	statuspb.UnimplementedRPCStatusServer
}

func (statusRole) StatusSetSessionOnline(context.Context, *statuspb.TLStatusSetSessionOnline) (*mtproto.Bool, error) {
	return boolTrue, nil
}

func (statusRole) StatusSetSessionOffline(context.Context, *statuspb.TLStatusSetSessionOffline) (*mtproto.Bool, error) {
	return boolTrue, nil
}

// gate is the gateway: it brings packets to devices.
type gate struct {
	gateway.UnimplementedRPCGatewayServer
	gateway.UnimplementedRPCGatewayStreamServer

	devices sync.Map // *device by session id
	packets atomic.Int64
	bytes   atomic.Int64
}

func (g *gate) deliver(in *gateway.TLGatewaySendDataToGateway) {
	g.packets.Add(1)
	g.bytes.Add(int64(len(in.GetPayload())))
	if d, ok := g.devices.Load(in.GetSessionId()); ok {
		d.(*device).deliver(in.GetPayload())
	}
}

// GatewaySendDataToGateway takes a packet by a unary call.
func (g *gate) GatewaySendDataToGateway(_ context.Context, in *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	g.deliver(in)
	return boolTrue, nil
}

// GatewayDataStream takes packets and acknowledges each.
func (g *gate) GatewayDataStream(s gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	for {
		in, err := s.Recv()
		if err != nil {
			return err
		}
		g.deliver(in.GetSendData())
		if err := s.Send(&gateway.GatewayStreamResponse{RequestId: in.GetRequestId(), Success: true}); err != nil {
			return err
		}
	}
}

// desk is the BFF.
type desk struct {
	mu      sync.Mutex
	answer  []byte                // of callPath
	request int                   // bytes of the last call of callPath
	caller  *metadata.RpcMetadata // who made it
	look    bool                  // note the next one
}

// answers sets the answer of calls from here on, and notes the next call.
func (d *desk) answers(pb []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer, d.look = pb, true
}

// seen is what the call was like that was noted.
func (d *desk) seen() (requestBytes int, caller *metadata.RpcMetadata) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.request, d.caller
}

var updatesState = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updates_state")

func (d *desk) serve(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	var in passthrough.Frame
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	switch path {
	case "/mtproto.RPCUpdates/updates_getState":
		return stream.SendMsg(passthrough.Frame(updatesState))
	case callPath:
		return stream.SendMsg(passthrough.Frame(d.note(stream.Context(), in)))
	}
	return status.Error(codes.Unimplemented, path)
}

func (d *desk) note(ctx context.Context, in []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.look {
		d.look = false
		d.request, d.caller = len(in), new(metadata.RpcMetadata)
		for _, text := range grpcmetadata.ValueFromIncomingContext(ctx, "rpc_metadata") {
			if b, err := base64.StdEncoding.DecodeString(text); err == nil {
				_ = proto.Unmarshal(b, d.caller)
			}
		}
	}
	return d.answer
}
