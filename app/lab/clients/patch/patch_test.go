package patch

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway"
)

// aKey makes a key and its text.
func aKey(t *testing.T, bits int) (fingerprint uint64, text []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return uint64(crypto.RSAFingerprint(&key.PublicKey)), gateway.PublicPEM(&key.PublicKey)
}

// rewrapped writes the same key in shorter lines, as a library keeps one that
// it reads for another purpose.
func rewrapped(text []byte) []byte {
	body := bytes.Split(text, []byte("\n"))
	first := body[1]
	return bytes.Replace(text, first, append(append(bytes.Clone(first[:32]), '\n'), first[32:]...), 1)
}

func TestApply(t *testing.T) {
	oldID, oldKey := aKey(t, 2048)
	testID, testKey := aKey(t, 2048)
	_, otherKey := aKey(t, 2048)
	_, newKey := aKey(t, 2048)
	_, longKey := aKey(t, 3072)
	join := func(parts ...any) (out []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case string:
				out = append(out, p...)
			case []byte:
				out = append(out, p...)
			}
			out = append(out, 0)
		}
		return out
	}
	build := Build{Name: "a client", Keys: []uint64{oldID, testID}, Texts: []Text{{"149.154.", "127.154.", 2}, {"2001:b28:", "0000:b28:", 1}}}
	whole := func(parts ...any) []byte {
		return join(append([]any{oldKey, "149.154.175.50", testKey, "149.154.167.51", "2001:b28:f23d::e"}, parts...)...)
	}
	patched := func(parts ...any) []byte {
		return join(append([]any{newKey, "127.154.175.50", newKey, "127.154.167.51", "0000:b28:f23d::e"}, parts...)...)
	}
	for _, c := range []struct {
		name         string
		binary, want []byte // nil: an error
		key          []byte // nil: newKey
		text         string // of the error
	}{
		{name: "keys and addresses", binary: whole(), want: patched()},
		{name: "another key stays", binary: whole(otherKey), want: patched(otherKey)},
		{name: "a key in other lines stays", binary: whole(rewrapped(oldKey)), want: patched(rewrapped(oldKey))},
		{name: "the marker alone stays", binary: whole("-----BEGIN RSA PUBLIC KEY-----\n"), want: patched("-----BEGIN RSA PUBLIC KEY-----\n")},
		{name: "markers around nothing stay", binary: whole("-----BEGIN RSA PUBLIC KEY-----", "-----END RSA PUBLIC KEY-----"), want: patched("-----BEGIN RSA PUBLIC KEY-----", "-----END RSA PUBLIC KEY-----")},
		{name: "no test key", binary: join(oldKey, "149.154.175.50", "149.154.167.51", "2001:b28:f23d::e"), text: "occurs 0 times in place of 1"},
		{name: "a key twice", binary: whole(oldKey), text: "occurs 2 times in place of 1"},
		{name: "an address more", binary: whole("149.154.1.1"), text: `"149.154." occurs 3 times in place of 2`},
		{name: "no IPv6", binary: join(oldKey, testKey, "149.154.175.50", "149.154.167.51"), text: `"2001:b28:" occurs 0 times in place of 1`},
		{name: "an empty file", binary: []byte{}, text: "another build"},
		{name: "no key to put in", binary: whole(), key: []byte("key"), text: "the key to put in"},
		{name: "a longer key to put in", binary: whole(), key: longKey, text: "2048 bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, key := bytes.Clone(c.binary), newKey
			if c.key != nil {
				key = c.key
			}
			err := build.Apply(got, key)
			if c.want == nil {
				require.ErrorContains(t, err, c.text)
				return
			}
			require.NoError(t, err)
			require.Equal(t, string(c.want), string(got))
		})
	}
}

func TestFileWritesNothingAfterAnError(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	require.NoError(t, os.WriteFile(src, []byte("no client"), 0o600))
	_, key := aKey(t, 2048)
	require.Error(t, TDLib.File(dst, src, key))
	require.NoFileExists(t, dst)
}

// A build that is described here keeps every length and leads to loopback.
func TestBuilds(t *testing.T) {
	for _, b := range []Build{TDLib, Desktop} {
		t.Run(b.Name, func(t *testing.T) {
			for _, text := range b.Texts {
				require.Len(t, text.New, len(text.Old))
				require.NotContains(t, text.New, text.Old)
			}
			require.Len(t, b.Listen(2), 2*len(b.Ports))
			require.Empty(t, b.Listen(6))
			for _, addr := range slices.Concat(b.Listen(1), b.Listen(2), b.Listen(5)) {
				host, _, err := net.SplitHostPort(addr)
				require.NoError(t, err)
				require.True(t, net.ParseIP(host).IsLoopback(), addr)
			}
		})
	}
}
