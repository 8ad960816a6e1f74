package wire

import (
	"encoding/binary"
	"testing"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
)

// Whatever a server seals, taking it apart neither panics nor loses the rule
// that a result is long enough to be read.
func FuzzTake(f *testing.F) {
	le := binary.LittleEndian
	result := append(le.AppendUint32(nil, mt.RPCResultTypeID), make([]byte, 12)...)
	f.Add(int64(5), int32(1), result)
	f.Add(int64(9), int32(2), Container(Member{ID: 5, Seq: 1, Body: Gzip(result)}, Member{ID: 1, Body: Container()}))
	f.Add(int64(13), int32(0), le.AppendUint32(le.AppendUint32(nil, mt.MsgContainerTypeID), 1<<31))
	f.Add(int64(17), int32(0), []byte{0xa1, 0xcf, 0x72, 0x30, 0xfe, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, id int64, seq int32, body []byte) {
		var value crypto.Key
		value[0] = 1
		s := NewSession(nil, &Key{AuthKey: value.WithID()})
		p := Plain{Session: s.ID, MsgID: id, Seq: seq, Body: body[:len(body)/4*4]}
		packet, err := seal(&s.Key.AuthKey, p.encode(), crypto.Server)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Take(packet)
		for _, m := range s.inbox {
			_, _ = m.Type(), m.Long(1)
			if m.Type() == mt.RPCResultTypeID && len(m.Body) < shortestResult {
				t.Fatalf("a result of %d bytes", len(m.Body))
			}
		}
	})
}
