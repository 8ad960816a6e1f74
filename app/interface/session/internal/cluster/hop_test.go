package cluster

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
)

// request is the context of a handler: who calls, and the headers.
func request(from net.Addr, headers ...string) context.Context {
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs(headers...))
	if from == nil {
		return ctx
	}
	return peer.NewContext(ctx, &peer.Peer{Addr: from})
}

func host(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 40000} }

func TestMarksAreBelievedFromNodesAlone(t *testing.T) {
	const marked = "x-session-forwarded"
	nodes := []string{"10.0.0.1:20120", "[2001:db8::2]:20120", "node-3:20120"}
	for name, tc := range map[string]struct {
		token   string // of this node
		from    net.Addr
		headers []string
		want    Hop
	}{
		"no mark, of a node":              {"", host("10.0.0.1"), nil, Redirectable},
		"no mark, of a gateway":           {"", host("10.0.1.1"), nil, Redirectable},
		"an introduction without a mark":  {"", host("10.0.0.1"), []string{"x-session-introduced", "1"}, Redirectable},
		"a node":                          {"", host("10.0.0.1"), []string{marked, "1"}, Forwarded},
		"a node, to a listener of IPv6":   {"", host("::ffff:10.0.0.1"), []string{marked, "1"}, Forwarded},
		"a node of IPv6":                  {"", host("2001:db8::2"), []string{marked, "1"}, Forwarded},
		"a node's push that waited":       {"", host("10.0.0.1"), []string{marked, "2"}, Final},
		"a mark of another release":       {"", host("10.0.0.1"), []string{marked, "3"}, Forwarded},
		"a gateway":                       {"", host("10.0.1.1"), []string{marked, "1"}, Stranger},
		"a gateway's last hop":            {"", host("10.0.1.1"), []string{marked, "2"}, Stranger},
		"a gateway with some token":       {"", host("10.0.1.1"), []string{marked, "1", "app", "session", "token", ""}, Stranger},
		"a node by name":                  {"", host("10.0.0.3"), []string{marked, "1"}, Stranger},
		"nobody":                          {"", nil, []string{marked, "1"}, Stranger},
		"a socket without an address":     {"", &net.UnixAddr{Name: "/x"}, []string{marked, "1"}, Stranger},
		"a node with the token":           {"secret", host("192.0.2.1"), []string{marked, "1", "app", "session", "token", "secret"}, Forwarded},
		"its push that waited":            {"secret", host("192.0.2.1"), []string{marked, "2", "app", "session", "token", "secret"}, Final},
		"a node's host without the token": {"secret", host("10.0.0.1"), []string{marked, "1"}, Stranger},
		"another token":                   {"secret", host("10.0.0.1"), []string{marked, "1", "app", "session", "token", "secreT"}, Stranger},
		"another app":                     {"secret", host("10.0.0.1"), []string{marked, "1", "app", "gateway", "token", "secret"}, Stranger},
		"two tokens":                      {"secret", host("10.0.0.1"), []string{marked, "1", "app", "session", "token", "x", "token", "secret"}, Stranger},
		"the token without a mark":        {"secret", host("192.0.2.1"), []string{"app", "session", "token", "secret"}, Redirectable},
	} {
		t.Run(name, func(t *testing.T) {
			c := New("10.0.0.9:20120")
			o := Options{}
			if tc.token != "" {
				o.App, o.Token = "session", tc.token
			}
			c.Join(&runloop.Manager{}, o)
			t.Cleanup(c.StopMoves)
			c.hosts.update(NewRing(nodes))
			require.Equal(t, tc.want, c.Hop(request(tc.from, tc.headers...), Redirectable))
		})
	}
}

// A node that has left etcd drains: for a minute it sends on what still comes to it.
func TestANodeThatHasLeftIsBelievedForAMinute(t *testing.T) {
	now := int64(1)
	c := New("10.0.0.9:20120")
	c.hosts.now = func() int64 { return now }
	of := func(ip string) Hop { return c.Hop(request(host(ip), "x-session-forwarded", "1"), Direct) }
	c.Members.Update(threeNodes)
	require.Equal(t, Forwarded, of("10.0.0.3"))
	c.Members.Update(threeNodes[:2])
	now += int64(59 * time.Second)
	require.Equal(t, Forwarded, of("10.0.0.3"))
	require.Equal(t, Forwarded, of("10.0.0.2"))
	c.Members.Update(threeNodes[:1]) // begins no new minute
	now += int64(2 * time.Second)
	require.Equal(t, Stranger, of("10.0.0.3"))
	require.Equal(t, Forwarded, of("10.0.0.2"))
	c.Members.Update(threeNodes)
	require.Equal(t, Forwarded, of("10.0.0.3"), "it is back")
	now += int64(time.Hour)
	require.Equal(t, Forwarded, of("10.0.0.3"))
	c.Members.Update(threeNodes[:1])
	now += int64(time.Hour)
	c.Members.Update(threeNodes[:2])
	require.Len(t, *c.hosts.until.Load(), 3, "what has left is forgotten: self and two nodes stay")
}

func TestHowFarAHopMayGo(t *testing.T) {
	for hop, want := range map[Hop]struct{ unmarked, servedHere, mayWait bool }{
		Redirectable: {true, false, true},
		Direct:       {true, false, true},
		Stranger:     {false, false, false},
		Forwarded:    {false, true, true},
		Final:        {false, true, false},
	} {
		require.Equal(t, want.unmarked, hop.Unmarked(), hop)
		require.Equal(t, want.servedHere, hop.ServedHere(), hop)
		require.Equal(t, want.mayWait, hop.MayWait(), hop)
	}
}
