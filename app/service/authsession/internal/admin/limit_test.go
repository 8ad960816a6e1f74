package admin

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// A caller that comes too often is refused on both ways, and others are not.
func TestRateLimit(t *testing.T) {
	a := serve(t, false, plainTokens+", RateLimit: {PerSecond: 0.001, Burst: 3}")
	alice := reader(t)
	for range 3 {
		code, text := a.must("GET", "/v1/config", alice, "")
		require.Equal(t, 200, code, text)
	}
	answer, text, err := a.call("GET", "/v1/config", alice, "")
	require.NoError(t, err)
	require.Equal(t, 429, answer.StatusCode)
	require.Contains(t, text, `"code":"RESOURCE_EXHAUSTED"`)
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 1000, seconds, 10)
	ctx, client := a.client(alice)
	_, err = client.GetConfig(ctx, &pb.GetConfigRequest{})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	exit, _, _ := a.ctl(alice, "config")
	require.Equal(t, 3, exit)

	code, _ := a.must("GET", "/v1/config", admintest.Token(t, "carol", time.Hour, token.Read), "")
	require.Equal(t, 200, code, "another caller")
	for i := range 5 { // the address is refused too often, and good tokens from it go on
		code, _ = a.must("GET", "/v1/config", "rubbish", "")
		require.Equal(t, map[bool]int{true: 401, false: 429}[i < 3], code)
	}
	code, _ = a.must("GET", "/v1/config", admintest.Token(t, "dave", time.Hour, token.Read), "")
	require.Equal(t, 200, code)

	var reasons []string
	for _, e := range a.written() {
		reasons = append(reasons, e.Caller+":"+e.Reason)
	}
	require.Equal(t, []string{"alice:", "alice:", "alice:", "alice:rate", "carol:", ":token_malformed", ":token_malformed", ":token_malformed", ":rate", "dave:"},
		reasons, "too many calls are one row")
}

func TestTheLimiterTellsHowManyItKeptSilentAbout(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimiter(config.AdminRate{PerSecond: 1, Burst: 2}, func() time.Time { return now })
	require.Nil(t, l.take("a"))
	require.Nil(t, l.take("a"))
	require.Equal(t, refusal{wait: time.Second}, *l.take("a"))
	for range 5 {
		require.True(t, l.take("a").quiet)
	}
	require.Nil(t, l.take("b"))
	now = now.Add(time.Second)
	require.Nil(t, l.take("a"))
	require.True(t, l.take("a").quiet)
	now = now.Add(10 * time.Second)
	require.Nil(t, l.take("a"))
	require.Nil(t, l.take("a"))
	require.Equal(t, refusal{wait: time.Second, silent: 6}, *l.take("a"))
}

// However many addresses somebody has, the limiter stays small, and those
// beyond share what is left.
func TestTheLimiterStaysSmall(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLimiter(config.AdminRate{PerSecond: 1, Burst: 1}, func() time.Time { return now })
	for i := range 2 * maxBuckets {
		l.take(fmt.Sprint(i))
	}
	require.LessOrEqual(t, len(l.buckets), maxBuckets+1)
	require.NotNil(t, l.take("yet another"))
	now = now.Add(time.Minute)
	require.Nil(t, l.take("yet another"), "the buckets that have filled make room")
	require.Len(t, l.buckets, 1)
}

func TestAnIPv6NetworkIsOneAddress(t *testing.T) {
	of := func(s string) string { return network(netip.MustParseAddr(s)) }
	require.Equal(t, of("2001:db8::1"), of("2001:db8::ffff:1"))
	require.NotEqual(t, of("2001:db8::1"), of("2001:db8:0:1::1"))
	require.NotEqual(t, of("10.0.0.1"), of("10.0.0.2"))
	require.Equal(t, "10.0.0.1", network(address("[::ffff:10.0.0.1]:5")))
	require.Empty(t, network(address("@")))
	require.Equal(t, "fe80::/64", network(address("[fe80::1%eth0]:5")))
}
