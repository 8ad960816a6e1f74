package rpcserver

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// What stands in etcd is what peers dial: each case is published as wanted, or
// refused at the key that is wrong.
func TestPublishedAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		listenOn, pod string
		want          string // empty: refused
		key           string // of the refusal
	}{
		"a host":                             {"10.0.0.1:20450", "10.1.2.3", "10.0.0.1:20450", ""},
		"loopback":                           {"127.0.0.1:20450", "10.1.2.3", "127.0.0.1:20450", ""},
		"a name":                             {"localhost:20450", "10.1.2.3", "localhost:20450", ""},
		"an IPv6 host":                       {"[fd00::1]:20450", "10.1.2.3", "[fd00::1]:20450", ""},
		"IPv6 loopback":                      {"[::1]:20450", "10.1.2.3", "[::1]:20450", ""},
		"all of IPv4":                        {"0.0.0.0:20450", "10.1.2.3", "10.1.2.3:20450", ""},
		"no host":                            {":20450", "10.1.2.3", "10.1.2.3:20450", ""},
		"all of IPv6":                        {"[::]:20450", "10.1.2.3", "10.1.2.3:20450", ""},
		"all of IPv6, written out":           {"[0:0:0:0:0:0:0:0]:20450", "10.1.2.3", "10.1.2.3:20450", ""},
		"POD_IP is IPv6":                     {"0.0.0.0:20450", "fd00::1", "[fd00::1]:20450", ""},
		"POD_IP is IPv6 in brackets":         {"[::]:20450", "[fd00::1]", "[fd00::1]:20450", ""},
		"POD_IP is a name":                   {"0.0.0.0:20450", "node-7.example", "node-7.example:20450", ""},
		"POD_IP has a port":                  {"0.0.0.0:20450", "10.1.2.3:20450", "", "POD_IP"},
		"POD_IP is a network":                {"0.0.0.0:20450", "10.1.2.0/24", "", "POD_IP"},
		"POD_IP is none":                     {"[::]:20450", "0.0.0.0", "", "POD_IP"},
		"POD_IP is two":                      {"[::]:20450", "10.1.2.3 fd00::1", "", "POD_IP"},
		"POD_IP is of a link":                {"[::]:20450", "fe80::1", "", "POD_IP"},
		"a host of a link":                   {"[fe80::1%eth0]:20450", "10.1.2.3", "", "ListenOn"},
		"IPv6 without brackets":              {"::1:20450", "10.1.2.3", "", "ListenOn"},
		"no port":                            {"10.0.0.1", "10.1.2.3", "", "ListenOn"},
		"any port":                           {"127.0.0.1:0", "10.1.2.3", "", "ListenOn"},
		"any port, of a node that says more": {":0", "fd00::1", "", "ListenOn"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("POD_IP", tc.pod)
			var c zrpc.RpcServerConf
			c.ListenOn, c.Etcd.Hosts, c.Etcd.Key = tc.listenOn, []string{"127.0.0.1:2379"}, "service.test"
			err := checkAddress(c)
			if tc.want == "" {
				var key *conf.KeyError
				require.ErrorAs(t, err, &key)
				require.Equal(t, tc.key, key.Key)
				require.NotEmpty(t, key.Fix)
				c.Etcd.Hosts = nil
				require.NoError(t, checkAddress(c), "nobody looks for it")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, PublishedAddress(tc.listenOn))
		})
	}
}

// Without POD_IP the host is asked, which has some address.
func TestPublishedAddressOfThisHost(t *testing.T) {
	t.Setenv("POD_IP", "")
	for _, listenOn := range []string{"0.0.0.0:7", "[::]:7", ":7"} {
		host, port, err := net.SplitHostPort(PublishedAddress(listenOn))
		require.NoError(t, err)
		require.Equal(t, "7", port)
		require.False(t, net.ParseIP(host).IsUnspecified(), host)
		require.NotNil(t, net.ParseIP(host))
	}
}

func TestFirstGlobal(t *testing.T) {
	address := func(text string) net.Addr {
		ip, network, err := net.ParseCIDR(text)
		require.NoError(t, err)
		return &net.IPNet{IP: ip, Mask: network.Mask}
	}
	for want, list := range map[string][]net.Addr{
		"127.0.0.1":   nil,
		"fd00::7":     {address("fe80::1/64"), address("fd00::7/64"), address("2001:db8::1/64")},
		"2001:db8::1": {&net.UnixAddr{}, address("2001:db8::1/64")},
	} {
		require.Equal(t, want, firstGlobal(list))
	}
}

// A server whose address cannot be published does not come to be.
func TestNewRefusesAnAddressThatPeersCannotUse(t *testing.T) {
	c := testConf(t)
	c.ListenOn, c.Etcd.Hosts, c.Etcd.Key = "[fe80::1%lo]:20450", []string{"127.0.0.1:2379"}, "service.test"
	_, err := New(Options{Conf: c, Register: newHeld().register})
	require.ErrorContains(t, err, "ListenOn is \"[fe80::1%lo]:20450\", which no other host can reach")
}
