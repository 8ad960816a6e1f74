package gateway

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"
)

func words(w ...uint32) (b []byte) {
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// asPayload puts the head of a message in front and padding behind.
func asPayload(body []byte) []byte {
	b := append(make([]byte, 12), words(uint32(len(body)))...)
	return append(append(b, body...), make([]byte, 16)...)
}

func container(count uint32, members ...[]byte) []byte {
	b := words(0x73f1f8dc, count)
	for _, m := range members {
		b = append(append(b, make([]byte, 12)...), words(uint32(len(m)))...)
		b = append(b, m...)
	}
	return b
}

func TestLook(t *testing.T) {
	pingDelay := func(delay uint32) []byte { return words(mt.PingDelayDisconnectRequestTypeID, 1, 2, delay) }
	ack := func(count uint32) []byte { return words(mt.MsgsAckTypeID, bin.TypeVector, count) }
	for _, c := range []struct {
		name string
		body []byte
		want glance
	}{
		{"a ping", words(mt.PingRequestTypeID, 1, 2), glance{}},
		{"ping_delay_disconnect", pingDelay(75), glance{linger: 75 * time.Second}},
		{"of no time", pingDelay(0), glance{linger: time.Second}},
		{"of negative time", pingDelay(1 << 31), glance{linger: time.Second}},
		{"of years", pingDelay(1 << 30), glance{linger: 10 * time.Minute}},
		{"cut short", pingDelay(75)[:12], glance{}},
		{"as many ids as there may be", ack(8192), glance{}},
		{"one more", ack(8193), glance{flood: true}},
		{"a negative count", ack(1 << 31), glance{flood: true}},
		{"no vector", words(mt.MsgsAckTypeID, 7, 1<<31), glance{}},
		{"an empty container", container(0), glance{}},
		{"as many members as there may be", container(1024), glance{}},
		{"one member more", container(1025), glance{flood: true}},
		{"members", container(3, words(1), pingDelay(75), ack(8193)), glance{flood: true, linger: 75 * time.Second}},
		{"a member longer than the rest", append(container(1, words(1)), 0)[:24], glance{}},
		{"nothing", nil, glance{}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, look(asPayload(c.body))) })
	}
	require.Equal(t, glance{}, look(nil))
}

// FuzzLook: whatever a client sends, a look costs no more than reading it.
func FuzzLook(f *testing.F) {
	f.Add(asPayload(container(3, words(1), words(mt.PingDelayDisconnectRequestTypeID, 1, 2, 75))))
	f.Add(asPayload(words(mt.MsgsAckTypeID, bin.TypeVector, 8193)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if g := look(payload); g.linger < 0 || g.linger > maxLinger*time.Second {
			t.Fatalf("%+v", g)
		}
	})
}
