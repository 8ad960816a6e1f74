package session

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/session"
)

// A hostile client is a process of its own, together with the BFF that answers it, which
// takes only the processor time that nobody else wants: on other machines they would
// take none of the node's and of the honest clients'. What the node does about them has
// as much right to the processor as anything else of the node. The gateway is that of
// the honest clients, for they share the way to it.

// hostileKind makes this test binary a hostile client: its kind, the node, the
// gateway that it is connected to, where its BFF listens, and how many packets are under
// way.
const hostileKind = "TGSESSION_TEST_HOSTILE"

// ownBFF is whose address a cluster has for the BFF of the hostile client.
const ownBFF = "hostile BFF"

// scheduled is a command with chrt's options for how it is scheduled; without them where
// there is no chrt.
func scheduled(policy, priority, program string) *exec.Cmd {
	if chrt, err := exec.LookPath("chrt"); err == nil {
		return exec.Command(chrt, policy, priority, program)
	}
	return exec.Command(program)
}

// comeFirst has the threads of this process, which is the honest clients and all their
// peers, run as soon as they can: on other machines they would not wait until the node's
// threads have had their slices. Those are 3 to 4 ms, more than a call takes.
func comeFirst(b *testing.B) {
	if out, err := exec.Command("chrt", "--all-tasks", "--rr", "--pid", "1", strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
		b.Logf("calls wait for the processor on the honest clients' side, too: %v %s", err, out)
	}
}

// attacker is a hostile client.
type attacker struct {
	tb   testing.TB
	in   *os.File
	out  *bufio.Scanner
	sent float64 // packets
}

// attacker starts a hostile client of a kind, which does nothing yet.
func (c *cluster) attacker(tb testing.TB, p *process, kind hostile, inFlight int) *attacker {
	require.LessOrEqual(tb, inFlight, mostConnection)
	kind.meet(c)
	stdin, in, err := os.Pipe()
	require.NoError(tb, err)
	cmd := scheduled("--idle", "0", os.Args[0]) // less than niceness: it takes no slice from anybody
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %s %d", hostileKind, kind.name, p.addr, c.addr["gateway"], c.addr[ownBFF], inFlight))
	cmd.Stdin, cmd.Stderr = stdin, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	require.NoError(tb, syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, 19))
	_ = stdin.Close()
	tb.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the hostile client ended with %v", err)
		}
	})
	a := &attacker{tb: tb, in: in, out: bufio.NewScanner(out)}
	a.say("ready?")
	return a
}

// say tells the client something, and returns what it answers.
func (a *attacker) say(what string) string {
	_, err := a.in.WriteString(what + "\n")
	require.NoError(a.tb, err)
	require.True(a.tb, a.out.Scan(), "the hostile client has gone")
	return a.out.Text()
}

func (a *attacker) start() { a.say("start") }

func (a *attacker) stop() {
	n, err := strconv.ParseFloat(a.say("stop"), 64)
	require.NoError(a.tb, err)
	a.sent += n
}

// attack is the life of such a process. Its output is its answers alone: go-zero would log
// there once a minute what it uses.
func attack(what string) int {
	logx.Disable()
	var name, node, gateway, bff string
	var inFlight int
	if _, err := fmt.Sscan(what, &name, &node, &gateway, &bff, &inFlight); err != nil {
		fmt.Fprintln(os.Stderr, hostileKind, err)
		return 2
	}
	kind := hostiles[slices.IndexFunc(hostiles, func(h hostile) bool { return h.name == name })]
	stop, err := serveNearestDC(bff, kind.answer)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stop()
	conn, err := grpc.NewClient(node, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer conn.Close()
	rpc := session.NewRPCSessionClient(conn)
	c := &cluster{addr: map[string]string{"gateway": gateway}}
	var connections []func() *session.SessionClientData
	for i := range inFlight {
		connections = append(connections, kind.connect(c, i))
	}
	var busy sync.WaitGroup
	var sent atomic.Int64
	var stopped atomic.Bool
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch strings.TrimSpace(in.Text()) {
		case "start":
			stopped.Store(false)
			sent.Store(0)
			for _, next := range connections {
				busy.Go(func() {
					for ; !stopped.Load(); sent.Add(1) { // the node may refuse what it likes
						_, _ = rpc.SessionSendDataToSession(context.Background(), &session.TLSessionSendDataToSession{Data: next()})
					}
				})
			}
		case "stop":
			stopped.Store(true)
			busy.Wait()
		}
		fmt.Println(sent.Load())
	}
	return 0
}

// serveNearestDC is a BFF that answers help.getNearestDc with so many bytes.
func serveNearestDC(addr string, size int) (stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	answer := nearestDC(size)
	role := &bffRole{answers: map[string]func(context.Context) ([]byte, error){
		"/mtproto.RPCConfiguration/help_getNearestDc": func(context.Context) ([]byte, error) { return answer, nil },
	}}
	g := grpc.NewServer(grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(role.serve))
	go func() { _ = g.Serve(listener) }()
	return g.Stop, nil
}

// What the BFF of a hostile client said was no answer that session could read: the
// benchmark measured errors.
func TestHostileClientsAreAnswered(t *testing.T) {
	for _, kind := range hostiles {
		if kind.answer == 0 {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			c := startCluster(t)
			gate := c.serveMail(true)
			c.addr[ownBFF] = freeport.Address(t)
			stop, err := serveNearestDC(c.addr[ownBFF], kind.answer)
			require.NoError(t, err)
			t.Cleanup(stop)
			p := c.startProcess(t)
			kind.meet(c)
			h := &honest{
				d: c.device(hostileKeys, 0, hostileKeys), body: getNearestDC, results: make(chan message, 16),
				want: func(result []byte) bool { return len(result) >= kind.answer },
			}
			gate.on(h.d.session, h.hear)
			all := &crowd{p: p}
			all.call(h)
			require.Zero(t, all.failed.Load(), all.first.Load())
		})
	}
}
