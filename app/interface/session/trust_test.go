package session

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	zeroprometheus "github.com/zeromicro/go-zero/core/prometheus"
	"google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/proto/session"
)

// refusedMarks is the metric.
func refusedMarks(t testing.TB) float64 {
	t.Helper()
	zeroprometheus.Enable()
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "session_shard_refused_marks_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

// Whoever reached the port could have a node serve a key of another one, which
// served it, too: by the mark with which nodes send requests on.
func TestStrangersCannotHaveTwoNodesServeOneKey(t *testing.T) {
	const stranger, ours = "127.0.0.2", "127.0.0.1" // nodes of tests have the second
	secret := func(conf *Config) { conf.Nodes.App, conf.Nodes.Token = "session", "a secret" }
	for name, tc := range map[string]struct {
		change  func(*Config)
		from    string
		headers []string
		served  bool
	}{
		"a stranger":                       {func(*Config) {}, stranger, nil, false},
		"a node's host":                    {func(*Config) {}, ours, nil, true},
		"a stranger, where nodes have one": {secret, stranger, nil, false},
		"a node's host without the token":  {secret, ours, nil, false},
		"another token":                    {secret, ours, []string{"app", "session", "token", "a guess"}, false},
		"the token, from anywhere":         {secret, stranger, []string{"app", "session", "token", "a secret"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			n := c.start(tc.change)
			const other = "127.0.0.1:1"
			n.svc.Cluster.Update([]string{n.Address(), other})
			key := keyOf(t, n, other)
			c.auth.add(key, 0, 0)
			rpc := session.NewRPCSessionClient(callFrom(t, n, tc.from))
			before := refusedMarks(t)
			for i, marks := range [][]string{{"x-session-forwarded", "1"}, {"x-session-forwarded", "2"}, {"x-session-forwarded", "1", "x-session-introduced", "1"}} {
				ctx := metadata.NewOutgoingContext(t.Context(), metadata.Pairs(append(marks, tc.headers...)...))
				d := c.device(key, 0, key)
				data, _ := d.data(ping)
				overHTTP, _ := c.device(key, 0, 0).data(ping)
				overHTTP.ServerId = ""
				event := &session.SessionClientEvent{ServerId: c.addr["gateway"], AuthKeyId: key, PermAuthKeyId: key, SessionId: d.session}
				for what, call := range map[string]func() error{
					"data": func() error {
						_, err := rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
						return err
					},
					"HTTP": func() error {
						_, err := rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: overHTTP})
						return err
					},
					"create": func() error {
						_, err := rpc.SessionCreateSession(ctx, &session.TLSessionCreateSession{Client: event})
						return err
					},
					"close": func() error {
						_, err := rpc.SessionCloseSession(ctx, &session.TLSessionCloseSession{Client: event})
						return err
					},
				} {
					if tc.served {
						require.NoError(t, call(), "%s %d", what, i)
						continue
					}
					requireStatus(t, call(), 700, "REDIRECT_TO_"+other)
				}
				_, err := rpc.SessionPushUpdatesData(ctx, &session.TLSessionPushUpdatesData{PermAuthKeyId: key})
				require.NoError(t, err)
			}
			if tc.served {
				require.Equal(t, 1, n.svc.Runloop.Count())
				require.Equal(t, before, refusedMarks(t))
				return
			}
			require.Zero(t, n.svc.Runloop.Count())
			require.Zero(t, n.svc.Cluster.Parked.Waiting(), "a push of theirs takes no room")
			require.Equal(t, before+15, refusedMarks(t))
		})
	}
}

// Nodes send on as before, whether they know each other by address or by token.
func TestNodesBelieveEachOther(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"by address": func(*Config) {},
		"by token":   func(conf *Config) { conf.Nodes.App, conf.Nodes.Token = "session", "a secret" },
	} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t)
			a, b := c.start(change), c.start(change)
			const third = "127.0.0.1:1"
			a.svc.Cluster.Update([]string{a.Address(), b.Address()})
			b.svc.Cluster.Update([]string{a.Address(), b.Address(), third})
			key := int64(1) // by the first node's ring the second's, by the second's the third's
			for a.svc.Cluster.Ring().Owner(key) != b.Address() || b.svc.Cluster.Ring().Owner(key) != third {
				key++
			}
			c.auth.add(key, 0, 0)
			d := c.device(key, 0, key)
			data, _ := d.data(ping)
			answer := openStream(t, a).ask(&session.SessionStreamRequest{
				RequestId: "1",
				Payload:   &session.SessionStreamRequest_SendData{SendData: &session.TLSessionSendDataToSession{Data: data}},
			})
			require.NotNil(t, answer.GetAck(), "%v", answer)
			d.await("pong", func(m message) bool { return m.constructor() == pong })
			require.Equal(t, 1, b.svc.Runloop.Count())
		})
	}
}

// Nodes that publish other addresses than they call from, and have no token, do not
// believe each other. That must not have them send a request to and fro.
func TestNodesThatDoNotBelieveEachOtherSendNothingToAndFro(t *testing.T) {
	c := startCluster(t)
	a := c.start(func(conf *Config) { conf.Nodes.App, conf.Nodes.Token = "session", "one" })
	b := c.start(func(conf *Config) { conf.Nodes.App, conf.Nodes.Token = "session", "another" })
	both := []string{a.Address(), b.Address()}
	a.svc.Cluster.Update(both)
	key := keyOf(t, a, b.Address())
	c.auth.add(key, 0, 0)
	h, _ := c.device(key, 0, 0).data(ping)
	h.ServerId = ""
	send := func() error {
		_, err := a.rpc.SessionSendHttpDataToSession(t.Context(), &session.TLSessionSendHttpDataToSession{Client: h})
		return err
	}
	b.svc.Cluster.Update(both)
	require.NoError(t, send(), "they agree whose key it is")
	before := refusedMarks(t)
	b.svc.Cluster.Update([]string{a.Address(), b.Address(), "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"})
	for b.svc.Cluster.Ring().Owner(key) == b.Address() || a.svc.Cluster.Ring().Owner(key) != b.Address() {
		key++
	}
	c.auth.add(key, 0, 0)
	h, _ = c.device(key, 0, 0).data(ping)
	h.ServerId = ""
	requireStatus(t, send(), 700, "REDIRECT_TO_"+b.svc.Cluster.Ring().Owner(key))
	// The packet, and perhaps what the other node asks about the first key meanwhile.
	require.InDelta(t, before+1.5, refusedMarks(t), 0.5)
}
