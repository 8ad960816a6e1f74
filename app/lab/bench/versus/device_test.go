package versus

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

// fromServer is a packet with messages for a device, in a container when there
// are several.
func fromServer(bodies ...[]byte) []byte {
	server := &device{}
	packet := make([]byte, packetHead)
	if len(bodies) == 1 {
		return server.message(packet, server.nextID()|1, true, bodies[0])
	}
	inner := words(idContainer, uint32(len(bodies)))
	for _, b := range bodies {
		inner = server.message(inner, server.nextID()|1, true, b)
	}
	return server.message(packet, server.nextID()|1, false, inner)
}

func result(req int64) []byte {
	return append(binary.LittleEndian.AppendUint64(words(idRPCResult), uint64(req)), words(idVector, 0)...)
}

func (d *device) heard() bool {
	select {
	case <-d.came:
		return true
	default:
		return false
	}
}

func TestDeviceHearsWhatItWaitsFor(t *testing.T) {
	update, greeting := words(0x78d4dec1, 1, 2), words(idGreeting, 1, 2)
	for _, tc := range []struct {
		name    string
		push    bool
		packet  func(call int64) []byte
		want    bool
		content int // messages to acknowledge
	}{
		{"its answer", false, func(call int64) []byte { return fromServer(result(call)) }, true, 1},
		{"another's answer", false, func(call int64) []byte { return fromServer(result(call - 4)) }, false, 1},
		{"its answer in a container", false, func(call int64) []byte { return fromServer(greeting, result(call)) }, true, 2},
		{"an update, and no push is waited for", false, func(int64) []byte { return fromServer(update) }, false, 1},
		{"a push", true, func(int64) []byte { return fromServer(update) }, true, 1},
		{"a greeting is no push", true, func(int64) []byte { return fromServer(greeting) }, false, 1},
		{"a push behind a greeting", true, func(int64) []byte { return fromServer(greeting, update) }, true, 2},
		{"a pong", false, func(int64) []byte { return fromServer(words(idPong, 1, 2, 3, 4)) }, true, 1},
		{"nothing", false, func(int64) []byte { return nil }, false, 0},
		{"a head without a body", false, func(int64) []byte { return make([]byte, packetHead+messageHead) }, false, 0},
		{"a container that is cut off", false, func(call int64) []byte { p := fromServer(greeting, result(call)); return p[:len(p)-20] }, false, 1},
		{"a length beyond the packet", false, func(int64) []byte {
			p := fromServer(update)
			binary.LittleEndian.PutUint32(p[packetHead+12:], 1<<31)
			return p
		}, false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDevice(7, "gateway", false)
			if tc.push {
				d.expectPushes()
			}
			d.call(callBody())
			d.deliver(tc.packet(d.wait))
			require.Equal(t, tc.want, d.heard())
			require.Len(t, d.takeAcks(0), tc.content)
		})
	}
}

// A call carries the acknowledgment of what came before it, in one packet, and the
// floor gets as long a one.
func TestCallAcknowledgesTheLastAnswer(t *testing.T) {
	ours, theirs := newDevice(7, "gateway", false), newDevice(8, "gateway", true)
	first := ours.call(callBody())
	require.EqualValues(t, 1, first.GetConnType())
	require.EqualValues(t, 1, binary.LittleEndian.Uint32(first.GetPayload()[8:]), "seqno of the first message with content")
	ours.deliver(fromServer(result(ours.wait)))
	answer := ours.acks[0]

	second := ours.call(callBody())
	require.Zero(t, second.GetConnType())
	require.Zero(t, len(second.GetPayload())%blockSize)
	p := second.GetPayload()
	require.Equal(t, words(idContainer, 2), p[messageHead:messageHead+8])
	call := p[messageHead+8:]
	require.Equal(t, ours.wait, int64(binary.LittleEndian.Uint64(call)))
	require.EqualValues(t, 3, binary.LittleEndian.Uint32(call[8:]))
	ack := call[messageHead+len(callBody()):]
	require.Greater(t, binary.LittleEndian.Uint64(ack), binary.LittleEndian.Uint64(call), "ids ascend")
	require.Less(t, binary.LittleEndian.Uint64(ack), binary.LittleEndian.Uint64(p), "the container's is the highest")
	require.Equal(t, msgsAck([]int64{answer}), ack[messageHead:messageHead+20])
	require.Empty(t, ours.acks)

	theirs.call(callBody())
	require.Len(t, theirs.call(callBody()).GetPayload(), len(p))
	theirs.deliver([]byte("anything"))
	require.True(t, theirs.heard())
}

// The bodies are of the sizes that the rows name.
func TestContent(t *testing.T) {
	schema, err := tl.Load(tl.Default)
	require.NoError(t, err)
	for _, tc := range []struct {
		name        string
		what        body
		least, most int
	}{
		{"no user", nobody, 8, 8},
		{"7 users", fewUsers, 850, 950},
		{"170 users", manyUsers, 17_500, 18_500},
		{"typing", typing, 28, 28},
		{"2 messages, 3 users", messages, 970, 1080},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := newContent(schema, tc.what)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(c.tl), tc.least)
			require.LessOrEqual(t, len(c.tl), tc.most)
			again, err := newContent(schema, tc.what)
			require.NoError(t, err)
			require.Equal(t, c, again)
		})
	}
}
