package rpcserver

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/zeromicro/go-zero/core/netx"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// podIP names the address of the pod, or of the host, where the configuration
// does not.
const podIP = "POD_IP"

// PublishedAddress is what peers find in etcd for a ListenOn: itself when it
// names a host; else (no host, 0.0.0.0, [::]) with the host replaced by $POD_IP,
// or by the first IPv4 address of the first interface that is up and not
// loopback. That rule is go-zero's. Beyond it, IPv6 addresses stand in brackets,
// a host without an IPv4 address is published by its first global IPv6 address,
// and one that has loopback alone by 127.0.0.1. A ListenOn that New refuses comes
// back as it is.
func PublishedAddress(listenOn string) string {
	address, err := publishedAddress(listenOn)
	if err != nil {
		return listenOn
	}
	return address
}

func publishedAddress(listenOn string) (string, error) {
	host, port, err := net.SplitHostPort(listenOn)
	if err != nil {
		return "", &conf.KeyError{
			Key: "ListenOn", Problem: fmt.Sprintf("is %q", listenOn),
			Fix: "set host:port, an IPv6 address in brackets, for example ListenOn: 0.0.0.0:20450 or ListenOn: '[::]:20450'",
		}
	}
	if host != "" && !net.ParseIP(host).IsUnspecified() {
		if isLocal(host) {
			return "", &conf.KeyError{
				Key: "ListenOn", Problem: fmt.Sprintf("is %q, which no other host can reach", listenOn),
				Fix: "set an address without a zone, or '[::]:" + port + "' and name the host's address in " + podIP,
			}
		}
		return listenOn, nil
	}
	ip := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(os.Getenv(podIP)), "["), "]")
	switch parsed := net.ParseIP(ip); {
	case ip == "":
		return net.JoinHostPort(ownAddress(), port), nil
	case parsed == nil && strings.ContainsAny(ip, ":/ %"), parsed.IsUnspecified(), isLocal(ip):
		return "", &conf.KeyError{
			Key: podIP, Problem: fmt.Sprintf("(in the environment) is %q, which peers cannot reach", os.Getenv(podIP)),
			Fix: "set one address of this host, for example 10.0.0.7 or fd00::7, or set it in ListenOn",
		}
	}
	return net.JoinHostPort(ip, port), nil
}

// Local is where a server that listens on an address is reached on its own host.
func Local(listenOn string) string {
	host, port, err := net.SplitHostPort(listenOn)
	if err != nil {
		return listenOn
	}
	ip := net.ParseIP(host)
	switch {
	case host == "", ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// isLocal reports whether an address means something on its own link alone.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return strings.Contains(host, "%") || ip.IsMulticast() || ip.To4() == nil && ip.IsLinkLocalUnicast()
}

// ownAddress is one that peers may reach this host by.
func ownAddress() string {
	if ip := netx.InternalIp(); ip != "" {
		return ip
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return "127.0.0.1"
	}
	var addresses []net.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 {
			list, _ := i.Addrs()
			addresses = append(addresses, list...)
		}
	}
	return firstGlobal(addresses)
}

// firstGlobal is the first address that is of more than its link; 127.0.0.1 when
// there is none: then all peers are on this host.
func firstGlobal(addresses []net.Addr) string {
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// checkAddress refuses what would be published and could not be dialled.
func checkAddress(c zrpc.RpcServerConf) error {
	if !published(c) {
		return nil
	}
	address, err := publishedAddress(c.ListenOn)
	if err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(address); port == "0" || port == "" {
		return &conf.KeyError{Key: "ListenOn", Problem: fmt.Sprintf("is %q, and peers need a port", c.ListenOn), Fix: "name one, for example ListenOn: 0.0.0.0:20450"}
	}
	return nil
}
