package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// BenchmarkKeysMove is how fast a node that stops hands idle keys over, each with one
// session of a logged-in user, both nodes in one process.
func BenchmarkKeysMove(b *testing.B) {
	const keys = 50_000
	for range b.N {
		b.StopTimer()
		c := startCluster(b)
		from, to := c.start(), c.start()
		for key := int64(1); key <= keys; key++ {
			c.auth.add(key, 0, 0)
			c.auth.mu.Lock()
			c.auth.users[key] = key
			c.auth.mu.Unlock()
			d := c.device(key, 0, key)
			payload, _ := d.packet(ping)
			require.NoError(b, from.svc.Runloop.Post(key, false, &sess.Data{
				ServerID: c.addr["gateway"], AuthKeyID: key, SessionID: d.session, Salt: salt, ClientIP: "203.0.113.7", NewConn: true, Payload: payload,
			}))
		}
		eventually(b, "the gateway has all answers", func() bool {
			c.gate.mu.Lock()
			defer c.gate.mu.Unlock()
			return len(c.gate.packets) >= keys
		})
		both := []string{from.Address(), to.Address()}
		to.svc.Cluster.Update(both)
		to.svc.Cluster.Update(both[1:])
		from.svc.Cluster.Update(both)
		b.StartTimer()
		began := time.Now()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			from.stop()
		}()
		for from.svc.Runloop.Count() > 0 {
			select {
			case <-stopped:
				b.Fatalf("the node stopped after DrainTime with %d keys that had not gone over", from.svc.Runloop.Count())
			case <-time.After(time.Millisecond):
			}
		}
		b.ReportMetric(keys/time.Since(began).Seconds(), "keys/s")
		require.Equal(b, keys, to.svc.Runloop.Count())
		<-stopped
		to.stop()
	}
}
