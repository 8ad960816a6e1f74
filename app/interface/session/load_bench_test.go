package session

import (
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/session"
)

// number is a setting of a benchmark that smoke tests make smaller.
func number(tb testing.TB, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(tb, err, name)
	return n
}

// ackOf is msgs_ack.
func ackOf(messageIDs ...int64) []byte {
	b := ids(0x62d6b459, 0x1cb5c415, uint32(len(messageIDs)))
	for _, id := range messageIDs {
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
	}
	return b
}

// message is a packet with one message; one without content does not count
// in the seqno.
func (d *device) message(body []byte, content bool) *session.SessionClientData {
	data, _ := d.data(body)
	if !content {
		d.seq--
		binary.LittleEndian.PutUint32(data.Payload[8:], uint32(d.seq*2))
	}
	return data
}

// post sends a message of d and returns its id.
func (p *process) post(d *device, body []byte, content bool) int64 {
	data := d.message(body, content)
	_, err := p.rpc.SessionSendDataToSession(context.Background(), &session.TLSessionSendDataToSession{Data: data})
	require.NoError(p.tb, err)
	return d.last
}

func (c *cluster) user(perm, user int64) *device {
	c.auth.add(perm, 0, 0)
	c.auth.mu.Lock()
	defer c.auth.mu.Unlock()
	c.auth.users[perm] = user
	return c.device(perm, 0, perm)
}

func answerGetState(context.Context) ([]byte, error) {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "updates_state"), nil
}

// BenchmarkPingingProcess has the keys of 10,000 logged-in clients ping once a
// minute, for a minute, with a session node in a process of its own and real
// gRPC around it, and reports the CPU time of that process: for each ping
// (what being online costs beside it included) and for each second.
// PINGING_KEYS changes their number.
//
//	go test -run '^$' -bench PingingProcess -benchtime 1x ./app/interface/session
func BenchmarkPingingProcess(b *testing.B) {
	each(b, func(b *testing.B, streaming bool) {
		for b.Loop() {
			pingMinute(b, streaming, number(b, "PINGING_KEYS", 10_000))
		}
	})
}

func pingMinute(b *testing.B, streaming bool, keys int) {
	c := startCluster(b)
	gate := c.serveMail(streaming)
	c.bff.on("/mtproto.RPCUpdates/updates_getState", answerGetState)
	p := c.startProcess(b)
	send := func(d *device, body []byte) { p.post(d, body, true) }
	if streaming {
		s, err := p.stream.SessionDataStream(b.Context())
		require.NoError(b, err)
		go func() {
			for {
				if _, err := s.Recv(); err != nil {
					return
				}
			}
		}()
		send = func(d *device, body []byte) {
			data, _ := d.data(body)
			require.NoError(b, s.Send(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_SendData{
				SendData: &session.TLSessionSendDataToSession{Data: data},
			}}))
		}
	}
	var answers, pongs atomic.Int64
	devices := make([]*device, keys)
	acks := make([]chan int64, keys)
	for i := range devices {
		devices[i], acks[i] = c.user(int64(1000+i), int64(1_000_000+i)), make(chan int64, 16)
		gate.on(devices[i].session, func(m message) {
			switch m.constructor() {
			case pong:
				pongs.Add(1)
				return
			case rpcResult:
				answers.Add(1)
			}
			acks[i] <- m.id
		})
	}
	for i, d := range devices {
		send(d, getState)
		eventually(b, "answers keep up", func() bool { return answers.Load() > int64(i-64) })
	}
	eventually(b, "all logins", func() bool { return answers.Load() == int64(keys) })
	for i, d := range devices {
		for len(acks[i]) > 0 {
			p.post(d, ackOf(<-acks[i]), false)
		}
	}
	begin, used := time.Now(), p.cpu()
	for i, d := range devices {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Minute / time.Duration(keys))))
		send(d, ping)
	}
	eventually(b, "all pongs", func() bool { return pongs.Load() >= int64(keys) })
	used = p.cpu() - used
	b.ReportMetric(float64(used.Microseconds())/1000/float64(keys), "CPU-ms/ping")
	b.ReportMetric(used.Seconds()/time.Since(begin).Seconds(), "CPU-s/s")
}

// caller makes calls of one session and acknowledges the answers.
type caller struct {
	p        *process
	d        *device
	messages chan message
	answered map[int64]bool // calls
	acks     []int64
}

// await waits for the answer of a call, and acknowledges what came.
func (c *caller) await(id int64) {
	for !c.answered[id] {
		m := <-c.messages
		c.acks = append(c.acks, m.id)
		if m.constructor() == rpcResult {
			c.answered[int64(binary.LittleEndian.Uint64(m.body[4:]))] = true
		}
	}
	delete(c.answered, id)
}

// call makes a call, waits for its answer and tells how long that took.
func (c *caller) call(body []byte) time.Duration {
	begin := time.Now()
	c.await(c.p.post(c.d, body, true))
	took := time.Since(begin)
	if len(c.acks) >= 16 {
		c.p.post(c.d, ackOf(c.acks...), false)
		c.acks = c.acks[:0]
	}
	return took
}

var getNearestDC = ids(0x1fb33026) // help.getNearestDc

// percentile returns the p-th part of sorted times.
func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// BenchmarkSlowCall measures quick calls of one session with and without a
// call of two seconds of the same session in flight, in rounds that alternate
// (SLOW_ROUNDS of 2,000 calls each way, 12 unless told), and reports the
// medians of the rounds' percentiles and of their ratios. Beyond 1.2 for the
// p99 fails.
//
//	go test -run '^$' -bench SlowCall -benchtime 1x ./app/interface/session
func BenchmarkSlowCall(b *testing.B) {
	for b.Loop() {
		besideSlowCall(b, number(b, "SLOW_ROUNDS", 12))
	}
}

func besideSlowCall(b *testing.B, rounds int) {
	const calls, slow = 2000, 2 * time.Second
	c := startCluster(b)
	gate := c.serveMail(true)
	c.bff.on("/mtproto.RPCUpdates/updates_getState", answerGetState)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
	var inFlight atomic.Int64
	c.bff.on("/mtproto.RPCConfiguration/help_getNearestDc", func(ctx context.Context) ([]byte, error) {
		inFlight.Add(1)
		defer inFlight.Add(-1)
		select {
		case <-time.After(slow):
		case <-ctx.Done():
		}
		return nil, status.Error(400, "SLOW")
	})
	p := c.startProcess(b)
	d := c.user(permA, 77)
	me := &caller{p: p, d: d, messages: make(chan message, 64), answered: map[int64]bool{}}
	gate.on(d.session, func(m message) {
		if m.constructor() != pong {
			me.messages <- m
		}
	})
	me.call(getState)
	startSlow := func() int64 {
		id := p.post(d, getNearestDC, true)
		eventually(b, "the slow call is at the BFF", func() bool { return inFlight.Load() == 1 })
		return id
	}
	round := func(beside bool) (p50, p99 float64) {
		runtime.GC() // of the peers, not in the middle of a round
		var slowID int64
		if beside {
			slowID = startSlow()
		}
		took := make([]time.Duration, calls)
		for i := range took {
			if beside && inFlight.Load() == 0 {
				me.await(slowID)
				slowID = startSlow()
			}
			took[i] = me.call(getUsers)
		}
		if beside {
			me.await(slowID)
		}
		slices.Sort(took)
		return percentile(took, 0.5).Seconds(), percentile(took, 0.99).Seconds()
	}
	round(false)                          // warm
	var alone, beside, ratio [2][]float64 // of p50 and p99
	for i := range rounds {
		var a, w [2]float64
		if i%2 == 0 {
			a[0], a[1] = round(false)
			w[0], w[1] = round(true)
		} else {
			w[0], w[1] = round(true)
			a[0], a[1] = round(false)
		}
		for k := range ratio {
			alone[k], beside[k], ratio[k] = append(alone[k], a[k]), append(beside[k], w[k]), append(ratio[k], w[k]/a[k])
		}
	}
	for k, name := range []string{"p50", "p99"} {
		b.ReportMetric(1e6*median(alone[k]), "alone-"+name+"-µs")
		b.ReportMetric(1e6*median(beside[k]), "beside-"+name+"-µs")
		b.ReportMetric(median(ratio[k]), name+"-ratio")
	}
	if r := median(ratio[1]); r > 1.2 {
		b.Fatalf("the p99 of quick calls beside a slow one is %.2f times that without it, at most 1.2 was meant", r)
	}
}
