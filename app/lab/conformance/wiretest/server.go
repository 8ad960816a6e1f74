// Package wiretest is servers for tests of an MTProto client: they make keys as
// the development gateway does, and say what a test wants.
package wiretest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway/frame"
	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
)

// RSAKey is the key that ServeKeys proves itself with.
var RSAKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, crypto.RSAKeyBits)
	if err != nil {
		panic(err)
	}
	return k
})

// Serve accepts connections and hands their streams to f until the test ends.
func Serve(t testing.TB, f func(*frame.Stream)) (addr string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = lis.Close() })
	wg.Go(func() {
		for {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				if s, err := frame.Accept(nc, 1<<20); err == nil {
					f(s)
				}
			})
		}
	})
	return lis.Addr().String()
}

// ServeKeys answers key exchanges, the first one with dh_gen_retry before it
// takes its key, and sealed packets with what answer makes of them, in their
// key. A nil answer, or a packet that does not open, ends the connection.
func ServeKeys(t testing.TB, answer func(*crypto.EncryptedMessageData) []crypto.EncryptedMessageData) string {
	t.Helper()
	return ServePushes(t, func(in *crypto.EncryptedMessageData, push func(...crypto.EncryptedMessageData)) bool {
		if answer == nil {
			return false
		}
		push(answer(in)...)
		return true
	})
}

// ServePushes does the same, and take may push what it has to say at any time,
// from any goroutine. The connection ends when it returns false.
func ServePushes(t testing.TB, take func(in *crypto.EncryptedMessageData, push func(...crypto.EncryptedMessageData)) bool) string {
	t.Helper()
	var (
		mu    sync.Mutex
		keys  = map[[8]byte]crypto.AuthKey{}
		tried bool
	)
	srv, err := keyex.NewServer(keyex.Config{Key: RSAKey(), DC: 2, PrimeBits: 20, Register: func(_ context.Context, k keyex.NewKey) error {
		mu.Lock()
		defer mu.Unlock()
		if !tried {
			tried = true
			return errors.New("not yet")
		}
		keys[k.Key.ID] = k.Key
		return nil
	}})
	require.NoError(t, err)
	return Serve(t, func(s *frame.Stream) {
		x := srv.NewExchange()
		var writing sync.Mutex
		write := func(outs ...frame.Out) error {
			writing.Lock()
			defer writing.Unlock()
			return s.WritePackets(outs...)
		}
		for {
			p, _, err := s.ReadPacket(nil)
			if err != nil {
				return
			}
			if [8]byte(p) == [8]byte{} {
				out := frame.Out{Packet: frame.TransportError(-404)}
				if body, err := x.Handle(context.Background(), p[20:]); err == nil {
					var b bin.Buffer
					b.PutLong(0)
					b.PutLong(5)
					b.PutInt(len(body))
					b.Put(body)
					out.Packet = b.Buf
				}
				if write(out) != nil {
					return
				}
				continue
			}
			mu.Lock()
			k := keys[[8]byte(p)]
			mu.Unlock()
			cipher := crypto.NewServerCipher(rand.Reader)
			in, err := cipher.DecryptFromBuffer(k, &bin.Buffer{Buf: p})
			if err != nil {
				return
			}
			push := func(messages ...crypto.EncryptedMessageData) {
				var outs []frame.Out
				for _, m := range messages {
					var b bin.Buffer
					if cipher.Encrypt(k, m, &b) == nil {
						outs = append(outs, frame.Out{Packet: b.Buf})
					}
				}
				_ = write(outs...) // whoever left hears nothing
			}
			if !take(in, push) {
				return
			}
		}
	})
}
