package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
)

// Admin is the admin API. It is off unless it names a listener; then it needs
// Tokens or TLS.ClientCAFile, or both.
type Admin struct {
	ListenOn string      `json:",optional"` // gRPC, as 127.0.0.1:20452
	Rest     AdminRest   `json:",optional"`
	TLS      AdminTLS    `json:",optional"` // of both listeners
	Tokens   AdminTokens `json:",optional"`
	OIDC     AdminOIDC   `json:",optional"` // of the session console
	// AllowPlain lets a listener that is not on loopback do without TLS: for
	// installs where something in front of it encrypts.
	AllowPlain bool `json:",optional"`
	RateLimit  AdminRate
	Refusals   AdminRefusals
	Timeout    time.Duration `json:",default=10s"`   // of a call, 100ms to 5m
	KeepLog    time.Duration `json:",default=8760h"` // until a row of auth_admin_logs is removed; 0: never
}

// AdminRest is the listener for REST.
type AdminRest struct {
	Host string `json:",default=127.0.0.1"`
	Port int    `json:",optional"` // 0: no REST
}

// AdminTLS is a certificate, and who may come with one of theirs.
type AdminTLS struct {
	CertFile string `json:",optional"`
	KeyFile  string `json:",optional"`
	// ClientCAFile signs certificates of clients. A client's name (the common
	// name, or one of the DNS names) leads to its scopes in Clients.
	ClientCAFile string              `json:",optional"`
	Clients      map[string][]string `json:",optional"`
}

// AdminRate bounds the calls of each caller, and the refused ones of each
// address.
type AdminRate struct {
	PerSecond float64 `json:",default=20"` // above 0, at most 10000
	Burst     int     `json:",default=40"` // at least 1
}

// AdminRefusals bounds what callers nobody knows can write to auth_admin_logs:
// one row tells of those before it that were left out.
type AdminRefusals struct {
	PerMinute float64       `json:",default=1"`    // rows of a node; above 0, at most 600
	Burst     int           `json:",default=20"`   // rows at once, 1 to 1000
	Keep      time.Duration `json:",default=168h"` // until they are removed; at least 1h
}

// Enabled reports whether a listener is named.
func (a *Admin) Enabled() bool { return a.ListenOn != "" || a.Rest.Port != 0 }

// RestAddress is where REST listens; empty: nowhere.
func (a *Admin) RestAddress() string {
	if a.Rest.Port == 0 {
		return ""
	}
	return net.JoinHostPort(a.Rest.Host, strconv.Itoa(a.Rest.Port))
}

func (a *Admin) given() bool {
	return a.TLS.CertFile != "" || a.TLS.KeyFile != "" || a.TLS.ClientCAFile != "" || len(a.TLS.Clients) > 0 ||
		a.Tokens.given() || a.OIDC.Enabled() || a.AllowPlain
}

// validate reads every file that the block names.
func (a *Admin) validate() error {
	switch {
	case !a.Enabled() && a.given():
		return &conf.KeyError{Key: "Admin", Problem: "names no listener", Fix: "set Admin.ListenOn (gRPC), for example ListenOn: 127.0.0.1:20452, or Admin.Rest.Port, or leave Admin out"}
	case !a.Enabled():
		return nil
	case !a.Tokens.keyed() && a.TLS.ClientCAFile == "":
		return &conf.KeyError{Key: "Admin", Problem: "lets nobody in", Fix: "set Admin.Tokens.HMACKeyFile (openssl rand -hex 32), Admin.Tokens.PublicKeyFile or Admin.TLS.ClientCAFile"}
	}
	for key, address := range map[string]string{"Admin.ListenOn": a.ListenOn, "Admin.Rest.Host": a.RestAddress()} {
		if err := a.checkAddress(key, address); err != nil {
			return err
		}
	}
	keys, err := a.Tokens.Load()
	if err != nil {
		return err
	}
	if err := a.OIDC.validate(a.Rest.Port != 0, keys); err != nil {
		return err
	}
	_, err = a.ServerTLS()
	return err
}

// checkAddress refuses a listener that would show tokens to a network.
func (a *Admin) checkAddress(key, address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return &conf.KeyError{Key: key, Problem: fmt.Sprintf("is no address (%v)", err), Fix: "write host:port, for example 127.0.0.1:20452"}
	}
	if loopback(host) || a.TLS.CertFile != "" || a.AllowPlain {
		return nil
	}
	return &conf.KeyError{Key: key, Problem: "listens on a network without TLS", Fix: "set Admin.TLS.CertFile and KeyFile, listen on 127.0.0.1, or set Admin.AllowPlain: true where something in front encrypts"}
}

// loopback reports whether what goes to host stays on this one.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ServerTLS is how both listeners encrypt; nil: they do not. It asks clients
// for certificates when ClientCAFile is set, and leaves their verification
// to the caller, which has ClientCAs for it.
func (a *Admin) ServerTLS() (*tls.Config, error) {
	t := a.TLS
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, &conf.KeyError{Key: "Admin.TLS", Problem: "names one of CertFile and KeyFile alone", Fix: "set both"}
	}
	if t.CertFile == "" {
		if t.ClientCAFile != "" || len(t.Clients) > 0 {
			return nil, &conf.KeyError{Key: "Admin.TLS.CertFile", Problem: "is missing", Fix: "set it and KeyFile: without TLS no client shows a certificate"}
		}
		return nil, nil
	}
	pair, err := conf.ReadKeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, &conf.KeyError{Key: "Admin.TLS.CertFile", Problem: fmt.Sprintf("or KeyFile cannot be used (%v)", err), Fix: "name a certificate and its key in PEM"}
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if t.ClientCAFile == "" {
		if len(t.Clients) > 0 {
			return nil, &conf.KeyError{Key: "Admin.TLS.ClientCAFile", Problem: "is missing", Fix: "set it: Clients are recognised by certificates that it signs"}
		}
		return c, nil
	}
	content, err := conf.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, &conf.KeyError{Key: "Admin.TLS.ClientCAFile", Problem: fmt.Sprintf("cannot be read (%v)", err), Fix: "name a PEM file"}
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(content) {
		return nil, &conf.KeyError{Key: "Admin.TLS.ClientCAFile", Problem: "holds no certificate", Fix: "name a PEM file with the certificate that signs those of clients"}
	}
	c.ClientAuth = tls.RequestClientCert
	_, err = a.Clients()
	return c, err
}

// Files are those that the listeners' encryption is made of.
func (t *AdminTLS) Files() []string { return named(t.CertFile, t.KeyFile, t.ClientCAFile) }

// named drops empty names.
func named(files ...string) []string {
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}

// Clients is who a name in a certificate stands for, and what they may do.
func (a *Admin) Clients() (map[string]token.Caller, error) {
	clients := map[string]token.Caller{}
	for name, scopes := range a.TLS.Clients {
		c := token.Caller{Name: name}
		for _, s := range scopes {
			if !slices.Contains(token.Scopes, token.Scope(s)) {
				return nil, &conf.KeyError{Key: "Admin.TLS.Clients." + name, Problem: fmt.Sprintf("names the scope %q, which there is not", s), Fix: fmt.Sprintf("use %s", strings.Trim(fmt.Sprint(token.Scopes), "[]"))}
			}
			c.Scopes = append(c.Scopes, token.Scope(s))
		}
		clients[name] = c
	}
	if len(clients) == 0 && a.TLS.ClientCAFile != "" {
		return nil, &conf.KeyError{Key: "Admin.TLS.Clients", Problem: "names nobody", Fix: "add the names in clients' certificates with their scopes, for example Clients: {ops.example.org: [sessions:read]}"}
	}
	return clients, nil
}
