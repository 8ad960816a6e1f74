package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
)

// origin is where a call came from, and what it shows of who makes it.
type origin struct {
	transport     string
	authorization []string          // values of the header
	certificate   *x509.Certificate // verified when the connection was made; nil: none
	ip            netip.Addr
	key           []string // values of the header idempotencyKey
	repeated      func()   // the answer is that of an earlier call
}

// by is what identify tells a caller by.
func (from *origin) by() string {
	if len(from.authorization) > 0 {
		return "token"
	}
	return "certificate"
}

// identify tells who calls. A token counts before a certificate.
func (g *guard) identify(from origin) (token.Caller, *refusal) {
	refuse := func(e *rpcerr.Error) (token.Caller, *refusal) { return token.Caller{}, &refusal{answer: e} }
	switch {
	case len(from.authorization) > 0:
		if g.verifier == nil {
			return refuse(rpcerr.ErrNoTokensHere)
		}
		scheme, raw, _ := strings.Cut(from.authorization[0], " ")
		if len(from.authorization) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return refuse(rpcerr.ErrTokenNotAlone)
		}
		caller, err := g.verifier.Verify(strings.TrimSpace(raw))
		if why := token.RefusalError(""); errors.As(err, &why) {
			return refuse(rpcerr.Token(why))
		}
		return caller, nil
	case from.certificate != nil:
		names := append([]string{from.certificate.Subject.CommonName}, from.certificate.DNSNames...)
		for _, name := range names {
			if caller, known := g.clients[name]; known {
				return caller, nil
			}
		}
		return refuse(rpcerr.ErrCertificateUnknown)
	case g.verifier == nil:
		return refuse(rpcerr.ErrCertificateNeeded)
	default:
		return refuse(rpcerr.ErrTokenMissing)
	}
}

// checkClients makes a listener encrypt as is configured at the moment, and verify
// the certificates that clients show, by hand: so a refused one can be written down.
// Nil: nothing is encrypted.
func (g *guard) checkClients(current func() *tls.Config, transport string, protocols ...string) *tls.Config {
	outer := current()
	if outer == nil {
		return nil
	}
	outer = outer.Clone()
	outer.NextProtos = protocols
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c := current()
		inner := c.Clone()
		inner.NextProtos = protocols
		inner.SessionTicketsDisabled = true // each connection is verified, and uses the certificate of now
		if c.ClientAuth == tls.NoClientCert {
			return inner, nil
		}
		inner.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || signedBy(c.ClientCAs, state.PeerCertificates, g.now()) == nil {
				return nil
			}
			from := origin{transport: transport, ip: address(hello.Conn.RemoteAddr().String())}
			ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
			defer cancel()
			r := g.limited(from, &refusal{answer: rpcerr.ErrCertificateBad})
			g.refused(ctx, audit.Entry{Transport: transport, ClientIP: text(from.ip)}, r)
			return r
		}
		return inner, nil
	}
	return outer
}

func signedBy(roots *x509.CertPool, chain []*x509.Certificate, now time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// verified is the certificate of a connection that checkClients let pass.
func verified(state *tls.ConnectionState) *x509.Certificate {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	return state.PeerCertificates[0]
}

// address reads the IP of a peer; the zero Addr when there is none.
func address(hostport string) netip.Addr {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	ip, _ := netip.ParseAddr(host)
	return ip.Unmap().WithZone("")
}

func text(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// network is what counts as one address for the rate limit: an IPv6 host has
// 2^64 of them.
func network(ip netip.Addr) string {
	if p, err := ip.Prefix(64); err == nil && ip.Is6() {
		return p.String()
	}
	return text(ip)
}
