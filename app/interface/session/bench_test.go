package session

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/session"
)

// The benchmarks of this file are the whole way of a packet and its answer
// through a node: from a gateway to a gateway over loopback, with the peers in
// the same process, so that a profile shows all of it.

const (
	senders = 64 // devices
	onTheir = 16 // packets of a device on their way at most
)

// drive has the devices send b.N packets between them, by unary calls or
// through a stream, and waits for as many answers.
func drive(b *testing.B, streaming bool, body []byte, counts uint32, person func(c *cluster, i int) *device) {
	c := startCluster(b)
	gate := c.serveMail(streaming)
	n := c.start()
	deliver := func(in *session.SessionClientData) error {
		_, err := n.rpc.SessionSendDataToSession(context.Background(), &session.TLSessionSendDataToSession{Data: in})
		return err
	}
	if streaming {
		s := openStream(b, n)
		go func() {
			for {
				if _, err := s.rpc.Recv(); err != nil {
					return
				}
			}
		}()
		var mu sync.Mutex
		deliver = func(in *session.SessionClientData) error {
			mu.Lock()
			defer mu.Unlock()
			return s.rpc.Send(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_SendData{
				SendData: &session.TLSessionSendDataToSession{Data: in},
			}})
		}
	}
	var sent atomic.Int64
	work := func(d *device, answers, acks chan int64) error {
		onWay := 0
		for sent.Add(1) <= int64(b.N) {
			if err := deliver(d.message(body, true)); err != nil {
				return err
			}
			for onWay++; onWay >= onTheir || onWay > 0 && len(answers) > 0; onWay-- {
				<-answers
			}
			if due := len(acks); due >= 16 {
				ids := make([]int64, due)
				for k := range ids {
					ids[k] = <-acks
				}
				if err := deliver(d.message(ackOf(ids...), false)); err != nil {
					return err
				}
			}
		}
		for range onWay {
			<-answers
		}
		return nil
	}
	var all []func() error
	for i := range senders {
		d := person(c, i)
		answers, acks := make(chan int64, 4*onTheir), make(chan int64, 1024)
		gate.on(d.session, func(m message) {
			if m.constructor() == counts {
				answers <- m.id
			}
			if m.constructor() != pong {
				acks <- m.id
			}
		})
		require.NoError(b, deliver(d.message(body, true)))
		<-answers // salts, login and connections are there
		all = append(all, func() error { return work(d, answers, acks) })
	}
	b.ReportAllocs()
	b.ResetTimer()
	used := cpuTime(b)
	var wg sync.WaitGroup
	for _, work := range all {
		wg.Go(func() {
			if err := work(); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpuTime(b)-used).Nanoseconds())/1000/float64(b.N), "CPU-µs/op")
}

// cpuTime is what this process has used so far: on a busy machine it says more
// than the time that passed.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPing is pings and their pongs.
func BenchmarkPing(b *testing.B) {
	each(b, func(b *testing.B, streaming bool) {
		drive(b, streaming, ping, pong, func(c *cluster, i int) *device {
			id := c.auth.add(int64(1000+i), 0, 0)
			return c.device(id, 0, id)
		})
	})
}

// BenchmarkCall is API calls, their answers from a BFF, and the clients'
// acknowledgments.
func BenchmarkCall(b *testing.B) {
	each(b, func(b *testing.B, streaming bool) {
		drive(b, streaming, getUsers, rpcResult, func(c *cluster, i int) *device {
			c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
			return c.user(int64(1000+i), int64(77+i))
		})
	})
}

func each(b *testing.B, f func(b *testing.B, streaming bool)) {
	for _, streaming := range []bool{false, true} {
		name := "unary"
		if streaming {
			name = "stream"
		}
		b.Run(name, func(b *testing.B) { f(b, streaming) })
	}
}
