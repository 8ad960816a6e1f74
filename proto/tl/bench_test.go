package tl_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		_, err := tl.Load("0.223.1")
		require.NoError(b, err)
	}
}

// payload is TL of one message.
type payload struct {
	name    string
	message string
	tl      []byte
}

// payloads are drawn with fixed seeds, so that runs compare.
func payloads(t testing.TB) []payload {
	set, err := tl.ReadSet(tl.Default)
	require.NoError(t, err)
	g := newGenerator(set, set.MaxLayer)
	newest := func(predicate string) *tlset.Constructor {
		c := g.bare[predicate]
		require.NotNil(t, c)
		return c
	}
	objects := func(b []byte, atLeast, depth int, predicates ...string) []byte {
		start := len(b)
		b = binary.LittleEndian.AppendUint32(b, 0x1cb5c415)
		b = append(b, 0, 0, 0, 0)
		n := uint32(0)
		for ; len(b)-start < atLeast; n++ {
			c := newest(predicates[int(n)%len(predicates)])
			b = rapid.Custom(func(t *rapid.T) []byte { return g.object(t, b, c, depth) }).Example(int(n))
		}
		binary.LittleEndian.PutUint32(b[start+4:], n)
		return b
	}

	var send []byte
	for i := range set.Methods {
		if m := &set.Methods[i]; m.Name == "messages.sendMessage" {
			send = rapid.Custom(func(t *rapid.T) []byte {
				return g.fields(t, binary.LittleEndian.AppendUint32(nil, m.ID), m.Params, 1)
			}).Example(1)
			break
		}
	}
	messages := binary.LittleEndian.AppendUint32(nil, newest("messages_messages").ID)
	messages = objects(messages, 17_000, 2, "message", "message", "message", "messageService")
	messages = objects(messages, 0, 1, "forumTopic")
	messages = objects(messages, 1000, 1, "channel")
	messages = objects(messages, 2000, 1, "user")

	slice := binary.LittleEndian.AppendUint32(nil, newest("updates").ID)
	slice = objects(slice, 600, 1, "updateNewMessage")
	slice = objects(slice, 200, 1, "user")
	slice = objects(slice, 200, 1, "channel")
	slice = append(slice, 1, 0, 0, 0, 2, 0, 0, 0)

	return []payload{
		{"sendMessage", "TL_messages_sendMessage", send},
		{"getUsers1K", "Vector_User", objects(nil, 1000, 1, "user")},
		{"updates1K", "Updates", slice},
		{"messages20K", "messages_Messages", messages},
	}
}

func BenchmarkToProto(b *testing.B) {
	s := load(b, tl.Default)
	for _, p := range payloads(b) {
		b.Run(p.name, func(b *testing.B) {
			m := s.Message(p.message)
			out, _, err := s.Decode(nil, m, p.tl)
			require.NoError(b, err)
			b.SetBytes(int64(len(p.tl)))
			b.ReportAllocs()
			for b.Loop() {
				out, _, _ = s.Decode(out[:0], m, p.tl)
			}
		})
	}
}

func BenchmarkToTL(b *testing.B) {
	s := load(b, tl.Default)
	for _, p := range payloads(b) {
		b.Run(p.name, func(b *testing.B) {
			m := s.Message(p.message)
			pb, _, err := s.Decode(nil, m, p.tl)
			require.NoError(b, err)
			out, err := s.Encode(nil, m, pb, s.MaxLayer())
			require.NoError(b, err)
			b.SetBytes(int64(len(out))) // TL bytes in both directions
			b.ReportAllocs()
			for b.Loop() {
				out, _ = s.Encode(out[:0], m, pb, s.MaxLayer())
			}
		})
	}
}
