package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/service"

	"github.com/tgsession/tgsession/app/interface/session/internal/ctl"
	"github.com/tgsession/tgsession/app/interface/session/internal/inside"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/proto/session"
)

// withDev gives nodes a DevServer, and returns its address.
func withDev(t testing.TB) (address string, change func(*Config)) {
	t.Helper()
	address = freeport.Address(t)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return address, func(c *Config) {
		c.Health = true
		c.DevServer = service.DevServerConfig{Enabled: true, Port: n, HealthPath: "/healthz", HealthResponse: "OK"}
	}
}

func fetchPage(t testing.TB, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address + path)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// readPage reads one of the pages of package inside.
func readPage[T any](t testing.TB, address, path string) (page T) {
	t.Helper()
	status, body := fetchPage(t, address, inside.Prefix+path)
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &page))
	return page
}

// What a node has in memory is on its pages, and in `session ctl`.
func TestInsideANode(t *testing.T) {
	c := startCluster(t)
	address, dev := withDev(t)
	n := c.start(dev)
	d := c.login(n, permA, 77)
	c.auth.add(tempT, 1, permA)
	temp := c.device(tempT, 1, permA)
	n.send(t, temp, ping)
	temp.await("pong", func(m message) bool { return m.constructor() == pong })
	hold := make(chan struct{})
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(context.Context) ([]byte, error) { <-hold; return nil, nil })
	id := n.send(t, d, getUsers)
	var key inside.Key
	eventually(t, "the call is at the BFF", func() bool {
		key = readPage[inside.Key](t, address, fmt.Sprint("keys/", int64(tempT)))
		return key.Calls == 1 && key.State.Calls.AtBFF == 1
	})
	require.Equal(t, []any{int64(permA), int64(tempT), "bound", n.Address(), true, "here"}, []any{key.ID, key.Asked, key.Bound, key.Owner, key.Mine, key.Where})
	require.Equal(t, []any{"logged_in", int64(77), 2}, []any{key.State.State, key.State.UserID, len(key.State.TransportKeys)})
	require.Equal(t, []any{"users.getUsers", id}, []any{key.State.Calls.List[0].Method, key.State.Calls.List[0].MsgID})
	require.Equal(t, "perm", readPage[inside.Key](t, address, fmt.Sprintf("keys/0x%x", int64(permA))).Bound, "by hex, too")

	top := readPage[inside.Top](t, address, "top?by=calls&n=1")
	require.Equal(t, []any{"calls", 1, int64(permA), 1}, []any{top.By, len(top.Largest), top.Largest[0].ID, top.Largest[0].CallsAtBFF})
	ring := readPage[inside.Ring](t, address, "ring")
	require.Equal(t, []inside.RingNode{{Node: n.Address(), Self: true, Share: 1}}, ring.Nodes)
	require.False(t, ring.Converging)
	queues := readPage[inside.Queues](t, address, "queues")
	require.Equal(t, []any{1, 1, c.addr["gateway"]}, []any{queues.Calls.Running, queues.GatewayLinks, queues.Gateways[0].Gateway})
	close(hold)
	d.result(id)

	other := c.device(permA, 0, permA)
	n.send(t, other, ping)
	n.send(t, d, binary.LittleEndian.AppendUint64(ids(0xe7512126), uint64(other.session))) // destroy_session
	var ended inside.Ended
	eventually(t, "a session has ended", func() bool {
		ended = readPage[inside.Ended](t, address, fmt.Sprintf("ended?key=%d&reason=destroyed", int64(permA)))
		return len(ended.Sessions) == 1
	})
	end := ended.Sessions[0]
	require.Equal(t, []any{other.session, int64(permA), int64(77), c.addr["gateway"]}, []any{end.SessionID, end.Key, end.UserID, end.Gateway})
	require.WithinDuration(t, time.Now(), end.At, time.Minute)
	require.Empty(t, readPage[inside.Ended](t, address, "ended?reason=limit").Sessions)

	for _, line := range []struct {
		args string
		code int
		has  []string
	}{
		{fmt.Sprint("keys ", int64(permA)), 0, []string{"logged_in", "user 77", strconv.FormatInt(d.session, 10), n.Address() + " (this node)"}},
		{fmt.Sprint("keys -o json ", int64(permA)), 0, []string{`"state": "logged_in"`}},
		{"keys 12345", 4, []string{"absent", "nothing of key 12345 is in memory on this node"}},
		{"keys -o json -12345", 4, []string{`"key": "-12345"`, "nothing of key -12345"}},
		{"ended --key -12345", 0, []string{"sessions have ended"}},
		{"keys nonsense", 2, []string{"is no auth key id"}},
		{"keys", 2, []string{"give one ID"}},
		{"top", 0, []string{"keys looked at", "OUTBOX BYTES"}},
		{"top --by size", 2, []string{"by is outbox, calls or mailbox"}},
		{"ended --reason destroyed", 0, []string{strconv.FormatInt(other.session, 10), "destroyed"}},
		{"ended -n 0", 2, []string{"n is 1 to 10000"}},
		{"ring", 0, []string{n.Address(), "100.0 %", "settled"}},
		{"queues", 0, []string{c.addr["gateway"], "API calls"}},
		{"queues -o xml", 2, []string{"not text or json"}},
		{"else", 2, []string{"there is no command"}},
		{"ended --help", 0, []string{"Usage: session ctl ended [flags]", "dead_gateway"}},
		{"--help", 0, []string{"keys    ID", "Exit codes"}},
	} {
		var out bytes.Buffer
		args := strings.Fields(line.args)
		if !strings.HasPrefix(args[0], "-") {
			args = append(args, "--addr", address)
		}
		code := ctl.Run(args, &out, &out)
		require.Equal(t, line.code, code, "%s\n%s", line.args, &out)
		for _, text := range line.has {
			require.Contains(t, out.String(), text, line.args)
		}
	}
}

// Pages refuse what they cannot tell, with a code.
func TestPagesRefuse(t *testing.T) {
	c := startCluster(t)
	address, dev := withDev(t)
	n := c.start(dev)
	for path, want := range map[string]string{
		"keys/x": "BAD_ARGUMENT", "keys/99999999999999999999": "BAD_ARGUMENT", "top?n=201": "BAD_ARGUMENT", "top?by=x": "BAD_ARGUMENT",
		"ended?reason=x": "BAD_ARGUMENT", "ended?key=x": "BAD_ARGUMENT", "ended?n=10001": "BAD_ARGUMENT", "else": "NOT_FOUND", "keys/": "NOT_FOUND",
	} {
		status, body := fetchPage(t, address, inside.Prefix+path)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusNotFound}, status, path)
		var fault struct{ Error inside.Error }
		require.NoError(t, json.Unmarshal([]byte(body), &fault), path)
		require.Equal(t, want, fault.Error.Code, path)
		require.NotEmpty(t, fault.Error.Message, path)
	}
	answer, err := http.Post("http://"+address+inside.Prefix+"ring", "text/plain", strings.NewReader("x"))
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	require.Zero(t, n.svc.Runloop.Count(), "a look makes no key")
}

// A node without authsession lives, and is not ready; it is again when that is back.
func TestReadinessKnowsAuthSession(t *testing.T) {
	c := startCluster(t)
	address, dev := withDev(t)
	proxy := tcpproxy.Start(t, c.addr["authsession"])
	n := c.start(dev, func(conf *Config) { conf.AuthSession = clientConf(proxy.Addr()) })
	becomes := func(want int, text string) {
		t.Helper()
		var body string
		require.Eventually(t, func() bool {
			var status int
			status, body = fetchPage(t, address, "/readyz")
			return status == want && strings.Contains(body, text)
		}, 30*time.Second, 20*time.Millisecond, "%v", &body)
		status, _ := fetchPage(t, address, "/healthz")
		require.Equal(t, http.StatusOK, status)
	}
	becomes(http.StatusOK, "ok    authsession: answers, in ")
	proxy.Cut()
	becomes(http.StatusServiceUnavailable, "FAIL  authsession: does not answer")
	proxy.Restore()
	becomes(http.StatusOK, "ok    authsession: answers, in ")
	proxy.Hold()
	becomes(http.StatusServiceUnavailable, "FAIL  authsession: does not answer")
	proxy.Restore()
	becomes(http.StatusOK, "ok    state: serves")
	_, _ = n.rpc.SessionQueryAuthKey(t.Context(), &session.TLSessionQueryAuthKey{AuthKeyId: 1})
}
