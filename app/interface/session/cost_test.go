package session

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/proto/session"
)

// The costs of a node alone: it has a process of its own, with metrics on and all
// that a configuration file has when it names nothing else.

// costKinds are the operations that must stay cheap. most is how many allocations of
// the node one may cost: a little more than it did when this was written.
var costKinds = []struct {
	name string
	load func(c *costs) func(i int) error
	most float64
}{
	{"ping", (*costs).ping, 28},
	{"call", (*costs).call, 58},
	{"push", (*costs).push, 85},
}

// updateShortID is the constructor of a push.
const updateShortID = 0x78d4dec1

// costs is a node under load with its peers and devices.
type costs struct {
	*cluster
	tb   testing.TB
	gate *mailGateway
	p    *process
	mu   sync.Mutex
	in   session.RPCSessionStream_SessionDataStreamClient
	devs []*costDevice
}

type costDevice struct {
	*device
	answers, acks chan int64
}

// startCosts starts a node with streams from and to its gateway.
func startCosts(tb testing.TB) (c *costs, url string) {
	c = &costs{cluster: startCluster(tb), tb: tb}
	c.gate = c.serveMail(true)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { return nil, nil })
	c.bff.on("/mtproto.RPCUpdates/updates_getState", answerGetState)
	host, port, err := net.SplitHostPort(freeport.Address(tb))
	require.NoError(tb, err)
	c.p = c.startProcess(tb, fmt.Sprintf("DevServer: {Enabled: true, Host: %s, Port: %s}", host, port))
	c.in, err = c.p.stream.SessionDataStream(tb.Context())
	require.NoError(tb, err)
	go func() {
		for {
			if _, err := c.in.Recv(); err != nil {
				return
			}
		}
	}()
	return c, "http://" + net.JoinHostPort(host, port)
}

func (c *costs) deliver(in *session.SessionClientData) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.Send(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_SendData{
		SendData: &session.TLSessionSendDataToSession{Data: in},
	}})
}

// login makes the devices, which hear what has one of the constructors.
func (c *costs) login(counts uint32) {
	for i := range senders {
		d := &costDevice{c.user(int64(1000+i), int64(77+i)), make(chan int64, 4*onTheir), make(chan int64, 4096)}
		first := make(chan struct{})
		once := sync.OnceFunc(func() { close(first) })
		c.gate.on(d.session, func(m message) {
			if m.constructor() == counts {
				d.answers <- m.id
			}
			if m.constructor() == rpcResult {
				once()
			}
			if m.constructor() != pong {
				d.acks <- m.id
			}
		})
		require.NoError(c.tb, c.deliver(d.message(getState, true)))
		<-first // salts, login and connections are there
		for len(d.answers) > 0 {
			<-d.answers
		}
		c.devs = append(c.devs, d)
	}
}

// acknowledge acknowledges what d got, sixteen messages at a time.
func (c *costs) acknowledge(d *costDevice) error {
	due := len(d.acks)
	if due < 16 {
		return nil
	}
	ids := make([]int64, due)
	for k := range ids {
		ids[k] = <-d.acks
	}
	return c.deliver(d.message(ackOf(ids...), false))
}

func (c *costs) ping() func(i int) error {
	c.login(pong)
	return func(i int) error { return c.deliver(c.devs[i].message(ping, true)) }
}

func (c *costs) call() func(i int) error {
	c.login(rpcResult)
	return func(i int) error { return c.deliver(c.devs[i].message(getUsers, true)) }
}

// push is what sync does: a unary call.
func (c *costs) push() func(i int) error {
	c.login(updateShortID)
	return func(i int) error {
		_, err := c.p.rpc.SessionPushUpdatesData(context.Background(), &session.TLSessionPushUpdatesData{PermAuthKeyId: c.devs[i].perm, Updates: updateShort})
		return err
	}
}

// run does n operations, onTheir of each device on their way at most.
func (c *costs) run(n int, operate func(i int) error) {
	var begun atomic.Int64
	var wg sync.WaitGroup
	for i, d := range c.devs {
		wg.Go(func() {
			onWay := 0
			for begun.Add(1) <= int64(n) {
				if err := operate(i); err != nil {
					c.tb.Error(err)
					return
				}
				for onWay++; onWay >= onTheir || onWay > 0 && len(d.answers) > 0; onWay-- {
					<-d.answers
				}
				if err := c.acknowledge(d); err != nil {
					c.tb.Error(err)
					return
				}
			}
			for range onWay {
				<-d.answers
			}
		})
	}
	wg.Wait()
}

// allocated is what a Go process has allocated since its start, as it says in its
// metrics.
func allocated(tb testing.TB, url string) (objects, bytes float64) {
	resp, err := http.Get(url + "/metrics")
	require.NoError(tb, err)
	defer resp.Body.Close()
	require.Equal(tb, http.StatusOK, resp.StatusCode)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch v, _ := strconv.ParseFloat(value, 64); name {
		case "go_memstats_mallocs_total":
			objects = v
		case "go_memstats_alloc_bytes_total":
			bytes = v
		}
	}
	require.NoError(tb, lines.Err())
	require.NotZero(tb, objects)
	return objects, bytes
}

// measure returns what an operation costs the node, over n of them.
func (c *costs) measure(url string, n int, operate func(i int) error) (cpu time.Duration, objects, bytes float64) {
	c.run(n/4, operate) // it has grown what it keeps
	o, b := allocated(c.tb, url)
	used := c.p.cpu()
	c.run(n, operate)
	used = c.p.cpu() - used
	objects, bytes = allocated(c.tb, url)
	return used / time.Duration(n), (objects - o) / float64(n), (bytes - b) / float64(n)
}

// BenchmarkCost is the cost of a ping, an API call and a push for a node with a
// process of its own, over streams to and from the gateway; sync's call is unary. CPU
// and allocations are the node's alone. COST_PROFILE names a folder for its CPU and
// allocation profiles.
//
//	go test -run '^$' -bench Cost -benchtime 50000x ./app/interface/session
func BenchmarkCost(b *testing.B) {
	for _, k := range costKinds {
		b.Run(k.name, func(b *testing.B) {
			c, url := startCosts(b)
			operate := k.load(c)
			defer c.profile(b, url, k.name)()
			b.ResetTimer()
			cpu, objects, bytes := c.measure(url, b.N, operate)
			b.ReportMetric(float64(cpu.Nanoseconds())/1000, "CPU-µs/op")
			b.ReportMetric(objects, "node-allocs/op")
			b.ReportMetric(bytes, "node-B/op")
		})
	}
}

// profile has the node write a profile of what follows.
func (c *costs) profile(tb testing.TB, url, name string) (wait func()) {
	dir := os.Getenv("COST_PROFILE")
	if dir == "" {
		return func() {}
	}
	fetch := func(what, file string) {
		resp, err := http.Get(url + "/debug/pprof/" + what)
		require.NoError(tb, err)
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		require.NoError(tb, err)
		require.NoError(tb, os.WriteFile(filepath.Join(dir, name+file), out, 0o600))
	}
	var wg sync.WaitGroup
	wg.Go(func() { fetch("profile?seconds=5", ".cpu") })
	return func() {
		wg.Wait()
		fetch("allocs", ".mem")
	}
}
