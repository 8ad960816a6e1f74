//go:build !race

// Large bodies cost a hundred times as much with the race detector.
package session

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed is body as gzip_packed.
func packed(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return tlBytes(ids(0x3072cfa1), b.Bytes())
}

func tlBytes(dst, v []byte) []byte {
	if len(v) < 254 {
		dst = append(dst, byte(len(v)))
	} else {
		dst = binary.LittleEndian.AppendUint32(dst, 254|uint32(len(v))<<8)
	}
	dst = append(dst, v...)
	for len(dst)%4 != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// sendCode is auth.sendCode to a phone number.
func sendCode(phone []byte) []byte {
	b := append(tlBytes(ids(0xa677244f), phone), ids(1)...)
	return append(tlBytes(b, []byte("hash")), ids(0xad253d78, 0)...)
}

// Sixty packets of keys that nobody was logged in with took auth.sendCode from
// everybody: the BFF refused each for its size, which counted as its illness.
func TestNobodyClosesAMethod(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	const path = "/mtproto.RPCAuthorization/auth_sendCode"
	c.bff.on(path, func(context.Context) ([]byte, error) { return nil, nil })
	var phone []byte // of 5 MiB, which shrinks like any text
	for i := 0; len(phone) < 5<<20; i++ {
		phone = strconv.AppendInt(phone, int64(i)*1_000_003, 10)
	}
	long := packed(t, sendCode(phone))
	for key := range int64(60) {
		c.auth.add(1000+key, 0, 0)
		d := c.device(1000+key, 0, 1000+key)
		requireError(t, d.result(n.send(t, d, sendCode(nil))), 500, "INTERNAL_SERVER_ERROR") // an empty answer; but the state is known now
		requireError(t, d.result(n.send(t, d, long)), 400, "INPUT_REQUEST_TOO_LONG")
	}
	require.EqualValues(t, 60, c.bff.count(path), "nothing long comes to the BFF")
	c.auth.add(permA, 0, 0)
	d := c.device(permA, 0, permA)
	for range 100 {
		d.result(n.send(t, d, sendCode([]byte("15550001"))))
	}
	require.EqualValues(t, 160, c.bff.count(path))
}

// A hundred kilobytes of a key that is not even bound cost a third of a gigabyte
// for most of a second: two dozen at once cost several gigabytes.
func TestBombsOfUnboundKeys(t *testing.T) {
	const keys = 24
	c := startCluster(t)
	n := c.start()
	rules := append(ids(0xc9f81ce8, 0x4f96cb18, 0x1cb5c415, 2_600_000), bytes.Repeat(ids(0x184b35ce), 2_600_000)...)
	z := packed(t, rules)
	bomb := tlBytes(ids(0x3072cfa1), append(z[8:], make([]byte, 100_000)...)) // zeros that improve its ratio
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	devices, calls := make([]*device, keys), make([]int64, keys)
	for i := range devices {
		key := 2000 + int64(i)
		c.auth.add(key, 1, 0)
		devices[i] = c.device(key, 1, 0)
		calls[i] = n.send(t, devices[i], bomb)
	}
	for i, d := range devices {
		requireError(t, d.result(calls[i]), 400, "INPUT_REQUEST_TOO_LONG")
	}
	runtime.ReadMemStats(&after)
	each := (after.TotalAlloc - before.TotalAlloc) / keys >> 10
	assert.Less(t, each, uint64(4<<10), "KiB allocated for each, gRPC and this test included")
}
