package dispatch

import (
	"context"
	"encoding/base64"

	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/metadata"
)

// headerName is the gRPC header that tells a peer who calls.
const headerName = "rpc_metadata"

// WithCaller adds the header that tells a peer on whose behalf a call is
// made. serverID is this node's published address.
func WithCaller(ctx context.Context, serverID string, m *sess.Meta) context.Context {
	md := metadata.RpcMetadata{
		ServerId:      serverID,
		ClientAddr:    m.ClientAddr,
		AuthId:        m.AuthKeyID,
		SessionId:     m.SessionID,
		ReceiveTime:   m.ReceiveTime,
		UserId:        m.UserID,
		ClientMsgId:   m.MsgID,
		Layer:         m.Layer,
		Client:        m.Client,
		Langpack:      m.LangPack,
		PermAuthKeyId: m.PermAuthKeyID,
		LangCode:      m.LangCode,
	}
	if t := m.Takeout; t != nil {
		md.Takeout = &metadata.Takeout{Id: t.ID}
		if t.HasRange {
			md.Takeout.Range = &metadata.MessageRange{MinId: t.MinID, MaxId: t.MaxID}
		}
	}
	b, err := proto.Marshal(&md)
	if err != nil {
		return ctx // a string of a client that is no UTF-8: sess lets none pass
	}
	return grpcmetadata.NewOutgoingContext(ctx, grpcmetadata.MD{headerName: {base64.StdEncoding.EncodeToString(b)}})
}
