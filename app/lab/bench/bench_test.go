package bench

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/bench/usage"
	"github.com/tgsession/tgsession/app/lab/conformance/wiretest"
)

func TestMain(m *testing.M) { leaktest.Strict(m) }

func TestParseMix(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       Mix
		err        string
	}{
		{name: "all", text: "ping=6,call=3,push=1", want: Mix{6, 3, 1}},
		{name: "one, with spaces", text: " call=1 ", want: Mix{0, 1, 0}},
		{name: "unknown", text: "sing=1", err: `"sing" is none of ping, call, push`},
		{name: "no share", text: "ping", err: "no share"},
		{name: "negative", text: "ping=-1", err: "no share"},
		{name: "nothing", text: "ping=0", err: "does nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := ParseMix(tc.text)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, m)
		})
	}
}

func TestMixIsDrawnByItsShares(t *testing.T) {
	m := Mix{3, 1, 0}
	var drawn [kinds]int
	for range 10_000 {
		drawn[m.pick()]++
	}
	require.InDelta(t, 7500, drawn[Ping], 400)
	require.Zero(t, drawn[Push])
}

func TestReport(t *testing.T) {
	r := results{}
	for i := range 200 {
		r.add(Ping, time.Duration(i+1)*10*time.Microsecond)
	}
	r.add(Call, 1500*time.Millisecond)
	r.fail(Call, 2)
	out := r.report(Config{Clients: 4, Mix: Mix{2, 1, 0}}, 2*time.Second,
		usage.Usage{Known: true, CPU: 20100 * time.Microsecond, Mallocs: 8040, Bytes: 201 << 11})
	var text bytes.Buffer
	require.NoError(t, out.Print(&text))
	require.Equal(t, 201, out.Operations())
	require.Equal(t, 2, out.Errors())
	require.Equal(t, `4 clients, 2s

          count   per s   errors    p50     p95      p99    max
   ping     200     100        0    1ms   1.9ms   1.98ms    2ms
   call       1       0        2   1.5s    1.5s     1.5s   1.5s

session: 0.02 CPU seconds (1 % of a core); an operation: 100µs of CPU, 40 allocations, 2.0 KiB
`, text.String())
}

// echo answers pings with pongs and calls with nearestDc.
func echo(t *testing.T, in *crypto.EncryptedMessageData) (out []crypto.EncryptedMessageData) {
	body := bin.Buffer{Buf: in.Data()}
	id, err := body.PeekID()
	require.NoError(t, err)
	var reply bin.Buffer
	switch id {
	case mt.PingRequestTypeID:
		require.NoError(t, (&mt.Pong{MsgID: in.MessageID}).Encode(&reply))
	case mt.MsgsAckTypeID:
		return []crypto.EncryptedMessageData{}
	default:
		var result bin.Buffer
		require.NoError(t, (&tg.NearestDC{Country: "NL", ThisDC: 2, NearestDC: 2}).Encode(&result))
		reply.PutID(mt.RPCResultTypeID)
		reply.PutLong(in.MessageID)
		reply.Put(result.Buf)
	}
	return append(out, answerTo(in, reply.Buf))
}

func answerTo(in *crypto.EncryptedMessageData, body []byte) crypto.EncryptedMessageData {
	return crypto.EncryptedMessageData{
		Salt: in.Salt, SessionID: in.SessionID, MessageID: in.MessageID&^3 + 1, SeqNo: 1,
		MessageDataLen: int32(len(body)), MessageDataWithPadding: body,
	}
}

func config(addr string) Config {
	return Config{
		Addr: addr, Key: &wiretest.RSAKey().PublicKey, DC: 2, Clients: 1,
		Duration: 200 * time.Millisecond, Mix: Mix{1, 1, 0},
	}
}

func TestLoad(t *testing.T) {
	addr := wiretest.ServeKeys(t, func(in *crypto.EncryptedMessageData) []crypto.EncryptedMessageData { return echo(t, in) })
	for name, rate := range map[string]float64{"as fast as it goes": 0, "paced": 50} {
		t.Run(name, func(t *testing.T) {
			c := config(addr)
			c.Rate = rate
			r, err := Run(t.Context(), c)
			require.NoError(t, err)
			require.Zero(t, r.Errors())
			require.Positive(t, r.Operations())
			if rate > 0 {
				require.LessOrEqual(t, r.Operations(), 11)
			}
		})
	}
}

// A salt that has ended costs a repetition, no error.
func TestSaltThatEnded(t *testing.T) {
	var refused atomic.Bool
	addr := wiretest.ServeKeys(t, func(in *crypto.EncryptedMessageData) []crypto.EncryptedMessageData {
		if in.Salt == 42 {
			return echo(t, in)
		}
		refused.Store(true)
		var bad bin.Buffer
		require.NoError(t, (&mt.BadServerSalt{BadMsgID: in.MessageID, ErrorCode: 48, NewServerSalt: 42}).Encode(&bad))
		return []crypto.EncryptedMessageData{answerTo(in, bad.Buf)}
	})
	r, err := Run(t.Context(), config(addr))
	require.NoError(t, err)
	require.Zero(t, r.Errors())
	require.True(t, refused.Load())
}

// An operation that is refused is an error in the report, not the end.
func TestRefusals(t *testing.T) {
	var n atomic.Int32
	addr := wiretest.ServeKeys(t, func(in *crypto.EncryptedMessageData) []crypto.EncryptedMessageData {
		if n.Add(1) != 3 {
			return echo(t, in)
		}
		var body bin.Buffer
		require.NoError(t, (&mt.BadMsgNotification{BadMsgID: in.MessageID, ErrorCode: 16}).Encode(&body))
		return []crypto.EncryptedMessageData{answerTo(in, body.Buf)}
	})
	r, err := Run(t.Context(), config(addr))
	require.NoError(t, err)
	require.Equal(t, 1, r.Errors())
	require.Greater(t, r.Operations(), 3)
}

// A server that falls silent holds up nobody who has had enough.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int32
	addr := wiretest.ServeKeys(t, func(in *crypto.EncryptedMessageData) []crypto.EncryptedMessageData {
		if n.Add(1) < 5 {
			return echo(t, in)
		}
		cancel()
		return nil
	})
	begin := time.Now()
	_, err := Run(ctx, config(addr))
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, time.Since(begin), answerTimeout/2)
}

func TestConfigOfNoUse(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"clients":       func(c *Config) { c.Clients = 0 },
		"duration":      func(c *Config) { c.Duration = 0 },
		"need a login":  func(c *Config) { c.Mix[Push] = 1 },
		"nothing to do": func(c *Config) { c.Mix = Mix{} },
		"set up":        func(c *Config) { c.Addr = "127.0.0.1:1" },
	} {
		t.Run(want, func(t *testing.T) {
			c := config("127.0.0.1:1")
			change(&c)
			_, err := Run(context.Background(), c)
			require.ErrorContains(t, err, want)
		})
	}
}
