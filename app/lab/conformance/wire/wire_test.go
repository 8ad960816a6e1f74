package wire_test

import (
	"crypto/aes"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/conformance/wire"
	"github.com/tgsession/tgsession/app/lab/conformance/wiretest"
	"github.com/tgsession/tgsession/app/lab/gateway/frame"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

func soon() time.Time { return time.Now().Add(5 * time.Second) }

func dial(t *testing.T, addr string, tr wire.Transport, obfuscated bool) *wire.Conn {
	t.Helper()
	c, err := wire.Dial(t.Context(), addr, tr, obfuscated, 2)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Packets of all lengths come back as they were, in every framing, behind a
// quick acknowledgement when one was asked for.
func TestTransports(t *testing.T) {
	const token = 0x81020304
	addr := wiretest.Serve(t, func(s *frame.Stream) {
		for {
			p, quick, err := s.ReadPacket(nil)
			if err != nil {
				return
			}
			if s.Transport() == frame.Padded {
				p = p[:24+(len(p)-24)/16*16]
			}
			outs := []frame.Out{{Packet: p}}
			if quick {
				outs = append([]frame.Out{{Token: token}}, outs...)
			}
			if s.WritePackets(outs...) != nil {
				return
			}
		}
	})
	for _, tr := range []wire.Transport{wire.Abridged, wire.Intermediate, wire.Padded, wire.Full} {
		for _, obfuscated := range []bool{false, true} {
			if obfuscated && tr == wire.Full {
				_, err := wire.Dial(t.Context(), addr, tr, true, 2)
				require.ErrorContains(t, err, "cannot be obfuscated")
				continue
			}
			t.Run(tr.String(), func(t *testing.T) {
				c := dial(t, addr, tr, obfuscated)
				for _, n := range []int{40, 24 + 16*30, 24 + 16*5000} {
					sent := make([]byte, n)
					_, _ = rand.Read(sent)
					sent[0] = 1 // of some key
					require.NoError(t, c.Write(sent, false))
					f, err := c.Read(soon())
					require.NoError(t, err)
					require.Equal(t, sent, f.Packet)
				}
				if tr == wire.Full {
					return
				}
				require.NoError(t, c.Write(append([]byte{1}, make([]byte, 39)...), true))
				f, err := c.Read(soon())
				require.NoError(t, err)
				require.Nil(t, f.Packet)
				require.Equal(t, uint32(token), f.Token)
				_, err = c.Read(soon())
				require.NoError(t, err)
				_, err = c.Read(time.Now().Add(10 * time.Millisecond))
				require.ErrorIs(t, err, wire.ErrTimeout)
			})
		}
	}
}

func exchange(t *testing.T, addr string) *wire.Key {
	t.Helper()
	k, err := wire.Connect(t.Context(), addr, &wiretest.RSAKey().PublicKey, 2, 0)
	require.NoError(t, err)
	return k
}

func TestExchange(t *testing.T) {
	addr := wiretest.ServeKeys(t, nil)
	k := exchange(t, addr)
	require.False(t, k.Zero())
	require.Zero(t, k.Skew)

	h := wire.NewHandshake(dial(t, addr, wire.Intermediate, false), &wiretest.RSAKey().PublicKey, 2, 60)
	require.NoError(t, h.Start())
	q, err := h.DHRequest(func(in *mt.PQInnerDataTempDC) { in.DC = 3 })
	require.NoError(t, err)
	_, err = h.Ask(q)
	require.ErrorIs(t, err, wire.TransportError(-404))
}

func encode(t *testing.T, e bin.Encoder) []byte {
	t.Helper()
	var b bin.Buffer
	require.NoError(t, e.Encode(&b))
	return b.Buf
}

// reply makes an answer in the client's session.
func reply(in *crypto.EncryptedMessageData, id int64, seq int32, body []byte) crypto.EncryptedMessageData {
	return crypto.EncryptedMessageData{
		Salt: in.Salt, SessionID: in.SessionID, MessageID: id, SeqNo: seq, MessageDataLen: int32(len(body)), MessageDataWithPadding: body,
	}
}

func serverID(low int64) int64 { return time.Now().Unix()<<32 | low }

// A library opens what we seal, and we take its containers and packed objects
// apart.
func TestSession(t *testing.T) {
	result := func(req int64) []byte {
		var b bin.Buffer
		b.PutID(mt.RPCResultTypeID)
		b.PutLong(req)
		b.PutID(mt.RPCAnswerUnknownTypeID)
		return b.Buf
	}
	var got []*crypto.EncryptedMessageData
	var mu sync.Mutex
	addr := wiretest.ServeKeys(t, func(in *crypto.EncryptedMessageData) []crypto.EncryptedMessageData {
		mu.Lock()
		got = append(got, in)
		mu.Unlock()
		pong := encode(t, &mt.Pong{MsgID: in.MessageID, PingID: 1})
		body := wire.Container(wire.Member{ID: serverID(5), Seq: 0, Body: pong}, wire.Member{ID: serverID(9), Seq: 1, Body: wire.Gzip(result(in.MessageID))})
		return []crypto.EncryptedMessageData{reply(in, serverID(13), 2, body)}
	})
	s := wire.NewSession(dial(t, addr, wire.Abridged, true), exchange(t, addr))
	id, err := s.Post(encode(t, &mt.PingRequest{PingID: 1}), true)
	require.NoError(t, err)
	next, err := s.Next(soon())
	require.NoError(t, err)
	require.Equal(t, uint32(mt.PongTypeID), next.Type())
	require.Equal(t, []int64{id, 1}, []int64{next.Long(0), next.Long(1)})
	require.Equal(t, serverID(13)&0xffffffff, next.Container&0xffffffff)
	next, err = s.Next(soon())
	require.NoError(t, err)
	require.True(t, next.Packed)
	require.Equal(t, result(id), next.Body)
	require.Equal(t, int32(1), next.Seq)

	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, id, got[0].MessageID)
	require.Equal(t, s.Salt, got[0].Salt)
	require.Equal(t, s.ID, got[0].SessionID)
	require.Equal(t, int32(1), got[0].SeqNo)
	require.Empty(t, s.Notes)
}

// What a server gets wrong is noted by rule.
func TestNotes(t *testing.T) {
	pong := encode(t, &mt.Pong{})
	inner := wire.Container(wire.Member{ID: serverID(1), Body: pong})
	for _, tc := range []struct {
		rule   string
		answer func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData
	}{
		{"MSGID-2", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData {
			return reply(in, serverID(4), 0, pong)
		}},
		{"MSGID-8", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData { return reply(in, 5, 0, pong) }},
		{"SEQ-6", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData {
			return reply(in, serverID(5), 1, pong)
		}},
		{"SESS-3", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData {
			r := reply(in, serverID(5), 0, pong)
			r.SessionID++
			return r
		}},
		{"CONT-3", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData {
			return reply(in, serverID(5), 0, wire.Container(wire.Member{ID: serverID(5), Body: pong}))
		}},
		{"SEQ-5", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData {
			return reply(in, serverID(5), 0, wire.Container(wire.Member{ID: serverID(1), Seq: 2, Body: pong}))
		}},
		{"CONT-4", func(in *crypto.EncryptedMessageData) crypto.EncryptedMessageData {
			return reply(in, serverID(9), 0, wire.Container(wire.Member{ID: serverID(5), Body: inner}))
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			addr := wiretest.ServeKeys(t, func(in *crypto.EncryptedMessageData) []crypto.EncryptedMessageData {
				return []crypto.EncryptedMessageData{tc.answer(in), reply(in, serverID(401), 0, pong)}
			})
			s := wire.NewSession(dial(t, addr, wire.Full, false), exchange(t, addr))
			_, err := s.Post(pong, false)
			require.NoError(t, err)
			for {
				m, err := s.Next(soon())
				require.NoError(t, err)
				if m.ID == serverID(401) || m.ID&0xffffffff == 401 {
					break
				}
			}
			require.NotEmpty(t, s.Notes)
			require.Equal(t, tc.rule, s.Notes[0].Rule, "%v", s.Notes)
		})
	}
}

// The binding message is the one that gotd makes.
func TestBindMessage(t *testing.T) {
	var value crypto.Key
	_, _ = rand.Read(value[:])
	perm := &wire.Key{AuthKey: value.WithID()}
	inner := crypto.BindAuthKeyInner{Nonce: 1, TempAuthKeyID: 2, PermAuthKeyID: perm.IntID(), TempSessionID: 3, ExpiresAt: 4}
	ours, err := wire.BindMessage{Inner: inner, MsgID: 4}.Seal(perm)
	require.NoError(t, err)
	theirs, err := crypto.EncryptBindMessage(rand.Reader, perm.AuthKey, 4, &inner)
	require.NoError(t, err)
	require.Len(t, ours, len(theirs))
	require.Equal(t, theirs[:8], ours[:8])
}

// A packet of MTProto 1.0 opens with its keys, and not as one of 2.0.
func TestSealV1(t *testing.T) {
	var value crypto.Key
	_, _ = rand.Read(value[:])
	k := &wire.Key{AuthKey: value.WithID()}
	packet, err := k.SealV1(wire.Plain{Session: 7, MsgID: 4, Body: []byte("body")})
	require.NoError(t, err)
	require.Equal(t, k.ID[:], packet[:8])
	_, err = crypto.NewServerCipher(rand.Reader).DecryptFromBuffer(k.AuthKey, &bin.Buffer{Buf: slices.Clone(packet)})
	require.Error(t, err)

	msgKey := bin.Int128(packet[8:24])
	aesKey, iv := crypto.KeysV1(k.Value, msgKey)
	block, err := aes.NewCipher(aesKey[:])
	require.NoError(t, err)
	plain := make([]byte, len(packet)-24)
	ige.DecryptBlocks(block, iv[:], plain, packet[24:])
	require.Equal(t, msgKey, crypto.MessageKeyV1(plain[:32+4]), "of what is not padding")
	require.Equal(t, "body", string(plain[32:32+4]))
}

// Open refuses what no server may send.
func TestOpenChecks(t *testing.T) {
	var value crypto.Key
	_, _ = rand.Read(value[:])
	k := &wire.Key{AuthKey: value.WithID()}
	sealed, _, err := k.Seal(wire.Plain{Body: make([]byte, 4)})
	require.NoError(t, err)
	_, err = k.Open(sealed)
	require.ErrorContains(t, err, "ENC-2", "a client's packet is no server's")
	sealed[0] ^= 1
	_, err = k.Open(sealed)
	require.ErrorContains(t, err, "ENC-1")
	_, err = k.Open(sealed[:50])
	require.Error(t, err)
	_, _, err = k.Seal(wire.Plain{Body: make([]byte, 4), Padding: 13})
	require.ErrorContains(t, err, "fill no blocks")
}
