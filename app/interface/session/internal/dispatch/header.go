package dispatch

import (
	"context"
	"encoding/base64"
	"sync"
	"unicode/utf8"

	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/protofield"
)

// headerName is the gRPC header that tells a peer who calls.
const headerName = "rpc_metadata"

// WithCaller adds the header that tells a peer on whose behalf a call is
// made. serverID is this node's published address.
func WithCaller(ctx context.Context, serverID string, m *sess.Meta) context.Context {
	value, ok := callerHeader(serverID, m)
	if !ok {
		return ctx
	}
	return grpcmetadata.NewOutgoingContext(ctx, grpcmetadata.MD{headerName: {value}})
}

// headers holds buffers in which headers are made.
var headers = sync.Pool{New: func() any { return new([2][]byte) }}

// callerHeader is what the header says: metadata.RpcMetadata in base64. False: a string
// of the client is no UTF-8, of which sess lets none pass.
func callerHeader(serverID string, m *sess.Meta) (value string, ok bool) {
	for _, s := range [...]string{serverID, m.ClientAddr, m.Client, m.LangPack, m.LangCode} {
		if !utf8.ValidString(s) {
			return "", false
		}
	}
	b := headers.Get().(*[2][]byte)
	defer headers.Put(b)
	b[0] = appendCaller(b[0][:0], serverID, m)
	b[1] = base64.StdEncoding.AppendEncode(b[1][:0], b[0])
	return string(b[1]), true
}

// appendCaller appends metadata.RpcMetadata as its generated code encodes it, which
// costs four objects, and as much time as all else about a header.
func appendCaller(b []byte, serverID string, m *sess.Meta) []byte {
	b = protofield.String(b, 1, serverID)
	b = protofield.String(b, 3, m.ClientAddr)
	b = protofield.Int(b, 4, m.AuthKeyID)
	b = protofield.Int(b, 5, m.SessionID)
	b = protofield.Int(b, 8, m.ReceiveTime)
	b = protofield.Int(b, 11, m.UserID)
	b = protofield.Int(b, 12, m.MsgID)
	b = protofield.Int(b, 14, int64(m.Layer))
	b = protofield.String(b, 15, m.Client)
	if t := m.Takeout; t != nil {
		var inside [64]byte
		b = protofield.Message(b, 20, appendTakeout(inside[:0], t))
	}
	b = protofield.String(b, 21, m.LangPack)
	b = protofield.Int(b, 22, m.PermAuthKeyID)
	return protofield.String(b, 23, m.LangCode)
}

func appendTakeout(b []byte, t *sess.Takeout) []byte {
	b = protofield.Int(b, 1, t.ID)
	if t.HasRange {
		var inside [32]byte
		ids := protofield.Int(protofield.Int(inside[:0], 1, int64(t.MinID)), 2, int64(t.MaxID))
		b = protofield.Message(b, 2, ids)
	}
	return b
}
