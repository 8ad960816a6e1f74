package dispatch

import (
	"encoding/base64"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/metadata"
)

// generated is the header as the generated code makes it.
func generated(serverID string, m *sess.Meta) ([]byte, error) {
	md := metadata.RpcMetadata{
		ServerId: serverID, ClientAddr: m.ClientAddr, AuthId: m.AuthKeyID, SessionId: m.SessionID, ReceiveTime: m.ReceiveTime,
		UserId: m.UserID, ClientMsgId: m.MsgID, Layer: m.Layer, Client: m.Client, Langpack: m.LangPack,
		PermAuthKeyId: m.PermAuthKeyID, LangCode: m.LangCode,
	}
	if t := m.Takeout; t != nil {
		md.Takeout = &metadata.Takeout{Id: t.ID}
		if t.HasRange {
			md.Takeout.Range = &metadata.MessageRange{MinId: t.MinID, MaxId: t.MaxID}
		}
	}
	return proto.Marshal(&md)
}

// FuzzHeader compares the header with what the generated code makes.
func FuzzHeader(f *testing.F) {
	f.Add("10.0.0.1:20120", "203.0.113.9", "tdesktop", "en", int64(1), int64(-1), int64(math.MinInt64), int32(223), true, int64(7), int32(-1), true)
	f.Add("", "", "", "", int64(0), int64(0), int64(0), int32(0), false, int64(0), int32(0), false)
	f.Add("h", "\xff", "c", "l", int64(0), int64(0), int64(0), int32(-5), true, int64(0), int32(0), false)
	f.Fuzz(func(t *testing.T, server, addr, client, lang string, a, b, c int64, layer int32, takeout bool, id int64, msg int32, ranged bool) {
		m := &sess.Meta{
			ClientAddr: addr, Client: client, LangPack: client, LangCode: lang, Layer: layer,
			AuthKeyID: a, SessionID: b, ReceiveTime: c, UserID: b, MsgID: a, PermAuthKeyID: c,
		}
		if takeout {
			m.Takeout = &sess.Takeout{ID: id, HasRange: ranged, MinID: msg, MaxID: layer}
		}
		value, ok := callerHeader(server, m)
		want, err := generated(server, m)
		require.Equal(t, err == nil, ok)
		require.Equal(t, utf8.ValidString(server+" "+addr+" "+client+" "+lang), ok)
		if ok {
			require.Equal(t, base64.StdEncoding.EncodeToString(want), value)
		}
	})
}
