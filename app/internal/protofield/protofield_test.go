package protofield_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/protofield"
	"github.com/tgsession/tgsession/proto/metadata"
)

// Fields are as generated code writes them.
func TestFieldsAreThoseOfProtobuf(t *testing.T) {
	for name, m := range map[string]*metadata.RpcMetadata{
		"all":       {ServerId: "a", AuthId: -7, Takeout: &metadata.Takeout{Id: 1 << 40}},
		"zero":      {},
		"empty one": {Takeout: &metadata.Takeout{}},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			require.NoError(t, err)
			b := protofield.Int(protofield.String(nil, 1, m.GetServerId()), 4, m.GetAuthId())
			if m.GetTakeout() != nil {
				b = protofield.Message(b, 20, protofield.Int(nil, 1, m.GetTakeout().GetId()))
			}
			require.Equal(t, len(want), len(b))
			require.Equal(t, string(want), string(b))
		})
	}
}
