package floor

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

// callTimeout is the deadline of a BFF call, as session's default has it.
const callTimeout = 5 * time.Second

var (
	boolTrue   = &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}
	asBytes    = grpc.ForceCodecV2(passthrough.Codec)
	errPayload = errors.New("floor: neither a packet nor a push")
)

// node is both services of a session node, as far as gateways and sync use them
// while clients talk.
type node struct {
	session.UnimplementedRPCSessionServer
	session.UnimplementedRPCSessionStreamServer

	Config
	bff                     *grpc.ClientConn
	gateways                *gateways
	caller                  *metadata.RpcMetadata
	request, answer, update []byte // as many bytes as session's

	mu    sync.RWMutex
	homes map[int64]home // by perm auth key id
}

// home is where packets for a key go.
type home struct {
	server             string
	authKeyID, session int64
}

// SessionSendDataToSession takes a packet; it returns when what it asks for is done.
func (n *node) SessionSendDataToSession(ctx context.Context, in *session.TLSessionSendDataToSession) (*mtproto.Bool, error) {
	return boolTrue, n.packet(ctx, in.GetData())
}

// SessionPushUpdatesData takes a push; it returns when its packet is out.
func (n *node) SessionPushUpdatesData(ctx context.Context, in *session.TLSessionPushUpdatesData) (*mtproto.Bool, error) {
	return boolTrue, n.push(ctx, in)
}

// SessionDataStream takes packets and pushes, and acknowledges each at once.
func (n *node) SessionDataStream(stream session.RPCSessionStream_SessionDataStreamServer) error {
	ctx := stream.Context()
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		err = stream.Send(&session.SessionStreamResponse{
			RequestId: in.GetRequestId(), Payload: &session.SessionStreamResponse_Ack{Ack: &session.SessionStreamAck{Success: true}},
		})
		if err != nil {
			return err
		}
		switch r := in.GetPayload().(type) {
		case *session.SessionStreamRequest_SendData:
			if d := r.SendData.GetData(); n.Calls {
				go func() { _ = n.packet(ctx, d) }() // a call that fails is an answer that is missed
			} else {
				n.meet(d)
			}
		case *session.SessionStreamRequest_PushUpdates:
			err = n.push(ctx, r.PushUpdates)
		default:
			err = errPayload
		}
		if err != nil {
			return err
		}
	}
}

// packet makes the call that a packet is for, and sends its answer.
func (n *node) packet(ctx context.Context, d *session.SessionClientData) error {
	n.meet(d)
	if !n.Calls {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var reply passthrough.Frame
	if err := n.bff.Invoke(n.withCaller(call, d), n.Method, passthrough.Frame(n.request), &reply, asBytes); err != nil {
		return err
	}
	return n.gateways.send(ctx, home{d.GetServerId(), d.GetAuthKeyId(), d.GetSessionId()}, n.answer)
}

// meet remembers where the packets of a key go, at the first one of a session.
func (n *node) meet(d *session.SessionClientData) {
	if d.GetConnType() != 1 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.homes[d.GetPermAuthKeyId()] = home{d.GetServerId(), d.GetAuthKeyId(), d.GetSessionId()}
}

// push sends the packet of a push; a key that never came gets none.
func (n *node) push(ctx context.Context, in *session.TLSessionPushUpdatesData) error {
	n.mu.RLock()
	to, ok := n.homes[in.GetPermAuthKeyId()]
	n.mu.RUnlock()
	if !ok {
		return nil
	}
	return n.gateways.send(ctx, to, n.update)
}

// withCaller adds the header that tells the BFF who calls.
func (n *node) withCaller(ctx context.Context, d *session.SessionClientData) context.Context {
	b, err := proto.Marshal(&metadata.RpcMetadata{
		ServerId: n.ListenOn, ClientAddr: d.GetClientIp(), AuthId: d.GetAuthKeyId(), PermAuthKeyId: d.GetPermAuthKeyId(),
		SessionId: d.GetSessionId(), ReceiveTime: time.Now().Unix(), ClientMsgId: int64(binary.LittleEndian.Uint64(d.GetPayload())),
		UserId: n.caller.GetUserId(), Layer: n.caller.GetLayer(), Client: n.caller.GetClient(),
		Langpack: n.caller.GetLangpack(), LangCode: n.caller.GetLangCode(),
	})
	if err != nil {
		return ctx // an address that is no UTF-8: gRPC would have refused it
	}
	return grpcmetadata.NewOutgoingContext(ctx, grpcmetadata.MD{"rpc_metadata": {base64.StdEncoding.EncodeToString(b)}})
}
