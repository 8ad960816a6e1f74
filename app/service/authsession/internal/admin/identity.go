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

	"google.golang.org/grpc/codes"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
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

// What certificates and tokens are refused for, beside package token's.
const (
	noCredentials = "no_credentials"
	certificate   = "certificate"
	clientUnknown = "client_unknown"
	scopeMissing  = "scope"
	tooMany       = "rate"
	auditFailed   = "audit"
)

// identify tells who calls. A token counts before a certificate.
func (g *guard) identify(from origin) (token.Caller, *refusal) {
	unauthenticated := func(reason, message string) (token.Caller, *refusal) {
		return token.Caller{}, &refusal{code: codes.Unauthenticated, reason: reason, message: message}
	}
	switch {
	case len(from.authorization) > 0:
		if g.verifier == nil {
			return unauthenticated(string(token.Algorithm), "no bearer tokens are taken here")
		}
		scheme, raw, _ := strings.Cut(from.authorization[0], " ")
		if len(from.authorization) > 1 || !strings.EqualFold(scheme, "Bearer") {
			return unauthenticated(string(token.Malformed), "authorization must be one bearer token")
		}
		caller, err := g.verifier.Verify(strings.TrimSpace(raw))
		if why := token.Refusal(""); errors.As(err, &why) {
			return unauthenticated(string(why), tokenMessages[why])
		}
		return caller, nil
	case from.certificate != nil:
		names := append([]string{from.certificate.Subject.CommonName}, from.certificate.DNSNames...)
		for _, name := range names {
			if caller, known := g.clients[name]; known {
				return caller, nil
			}
		}
		return unauthenticated(clientUnknown, "Admin.TLS.Clients does not name this certificate")
	case g.verifier == nil:
		return unauthenticated(noCredentials, "a client certificate is needed")
	default:
		return unauthenticated(string(token.Missing), "a bearer token is needed")
	}
}

// tokenMessages tell callers what is wrong with their token.
var tokenMessages = map[token.Refusal]string{
	token.Missing:     "a bearer token is needed",
	token.Malformed:   "the token cannot be read",
	token.Algorithm:   "the token is signed in a way that is not taken here",
	token.Signature:   "the token's signature is wrong",
	token.Expired:     "the token has expired",
	token.NoExpiry:    "the token has no exp",
	token.NotYetValid: "the token is not valid yet",
	token.Issuer:      "the token is of another issuer",
	token.Audience:    "the token is for another audience",
	token.Subject:     "the token has no usable sub",
	token.KeyUnknown:  "the token names a key that is not known here",
	token.TooLong:     "the token was made for longer than Admin.Tokens.MaxLife",
	token.Denied:      "the token has been denied",
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
			r := g.limited(from, &refusal{code: codes.Unauthenticated, reason: certificate, message: "the client certificate is not one that Admin.TLS.ClientCAFile signed"})
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
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
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
