package tl_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

// rules is account.setPrivacy with n rules of four bytes each, which are ten times as long in protobuf.
func rules(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xc9f81ce8) // account.setPrivacy
	b = binary.LittleEndian.AppendUint32(b, 0x4f96cb18)    // inputPrivacyKeyStatusTimestamp
	b = binary.LittleEndian.AppendUint32(b, 0x1cb5c415)    // vector
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	return append(b, bytes.Repeat([]byte{0xce, 0x35, 0x4b, 0x18}, n)...) // inputPrivacyValueAllowAll
}

// sendCode is auth.sendCode with a phone number of n bytes.
func sendCode(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa677244f)
	b = append(b, 254, byte(n), byte(n>>8), byte(n>>16))
	b = append(b, bytes.Repeat([]byte{'7'}, n)...)
	b = append(b, make([]byte, -n&3)...)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = append(b, 1, 'h', 0, 0)                         // api_hash
	b = binary.LittleEndian.AppendUint32(b, 0xad253d78) // codeSettings
	return binary.LittleEndian.AppendUint32(b, 0)
}

// A request whose message is longer than the caller can use was written to its end, up to 64 MiB, and for each byte of it
// several were allocated.
func TestRequestToProtoWithinABudget(t *testing.T) {
	const limit = 1 << 20
	s, err := tl.Load(tl.Default)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		in   []byte
		good bool
	}{
		"short":                {sendCode(1000), true},
		"just fits":            {sendCode(limit - 1<<10), true},
		"a string too long":    {sendCode(limit + 1), false},
		"a longer string":      {sendCode(10 * limit), false},
		"a string to repair":   {bytes.Replace(sendCode(limit/3), []byte("77"), []byte("\xff7"), limit), true},
		"one that gets longer": {bytes.Replace(sendCode(limit-1<<10), []byte("77"), []byte("\xff7"), limit), false},
		"a longer one":         {bytes.ReplaceAll(sendCode(10*limit), []byte("77"), []byte("\xff7")), false},
		"many small objects":   {rules(limit / 8), false},
		"a great many objects": {rules(limit * 2), false},
		"as many as fit":       {rules(limit / 64), true},
	} {
		t.Run(name, func(t *testing.T) {
			for what, dst := range map[string][]byte{
				"nothing": nil, "some room": make([]byte, 0, 1000), "ample room": make([]byte, 0, 8*limit), "behind others": make([]byte, 77, 100),
			} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				out, m, n, err := s.DecodeRequest(dst, c.in, limit)
				runtime.ReadMemStats(&after)
				if !raceEnabled {
					require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(4*limit+1<<16), what)
				}
				require.NotNil(t, m, what)
				if !c.good {
					var e tl.LimitError
					require.True(t, errors.As(err, &e), "%s: %v", what, err)
					require.Equal(t, "output", e.What)
					require.Equal(t, dst, out)
					continue
				}
				require.NoError(t, err, what)
				require.Equal(t, len(c.in), n)
				require.LessOrEqual(t, len(out)-len(dst), limit)
				whole, _, _, err := s.DecodeRequest(nil, c.in, tl.MaxOutput)
				require.NoError(t, err)
				require.True(t, bytes.Equal(whole, out[len(dst):]), what)
			}
		})
	}
	for _, in := range [][]byte{sendCode(5000), rules(300)} { // whatever the limit, what comes out is within it
		whole, _, _, err := s.DecodeRequest(nil, in, tl.MaxOutput)
		require.NoError(t, err)
		for limit := range len(whole) + 600 {
			out, _, _, err := s.DecodeRequest(nil, in, limit)
			if err == nil {
				require.Equal(t, whole, out)
				require.LessOrEqual(t, len(out), limit)
			}
			require.False(t, err != nil && limit > len(whole)+500, "%d of %d: %v", limit, len(whole), err)
		}
	}
}
