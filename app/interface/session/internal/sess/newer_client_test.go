package sess

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/tl"
)

// A client of a later layer than the release got an error for each answer that had a message in it, and no message by a
// push: it is served with the constructors of the release's last layer.
func TestClientNewerThanTheRelease(t *testing.T) {
	const messages, message, newMessage = 0x1d73e7ea, 0x9815cec8, 0x1f2b0afd // of layer 216
	older, err := tl.Load("0.216.0")
	require.NoError(t, err)
	for _, layer := range []int32{216, 221, 223, 227} {
		x := newWorld(t, false)
		x.schema = older
		x.w = New(permKey, false, &x.cfg, older, &counting{})
		x.recv(1, tlLayer(layer, x.method("messages.getMessages", wireVector())))

		peer := x.pbObject("Peer", "peerUser", map[string]any{"user_id": alice})
		one := x.pbObject("Message", "message", map[string]any{"peer_id": peer})
		call, r := x.invoked("messages.getMessages")
		require.Equal(t, layer, r.Meta.Layer, "the BFF hears what the client said")
		x.finish(call, &MethodResult{Method: r.Method, PB: x.pbObject("messages_Messages", "messages_messages", map[string]any{"messages": one})}, nil)
		results := x.takeOnly(wire.IDRPCResult)
		require.Len(t, results, 1)
		require.Equal(t, ids(messages, wire.IDVector, 1, message), results[0].Body[12:28], "layer %d", layer)

		update := x.pbObject("Update", "updateNewMessage", map[string]any{"message_MESSAGE": one, "pts_INT32": 1, "pts_count": 1})
		x.step(&PushUpdates{Updates: x.pbObject("Updates", "updateShort", map[string]any{"update": update, "date": 1})})
		pushes := x.takeOnly(idUpdateShort)
		require.Len(t, pushes, 1)
		require.Equal(t, ids(idUpdateShort, newMessage, message), pushes[0].Body[:12], "layer %d", layer)
	}
}

// ids is words of TL.
func ids(words ...uint32) (b []byte) {
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}
