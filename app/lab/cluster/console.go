package cluster

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tgsession/tgsession/app/lab/proc"
)

// consoleScopes are what a token of ConsoleToken may: everything.
const consoleScopes = "sessions:read sessions:revoke sessions:erase audit:read webhooks:retry"

// tokenLife is how long a token of ConsoleToken is good.
const tokenLife = 12 * time.Hour

// adminYAML turns the admin API of authsession on: over REST at the console's address, and
// over gRPC at a free one. A key for its tokens is made where there is none yet. Empty when
// no address is named for the console.
func (c *Cluster) adminYAML() (string, error) {
	if c.cfg.Console == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(c.cfg.Console)
	if err != nil {
		return "", fmt.Errorf("cluster: the console's address: %w", err)
	}
	if _, err := os.Stat(c.adminKey()); err != nil {
		if err := os.WriteFile(c.adminKey(), []byte(rand.Text()+rand.Text()), 0o600); err != nil {
			return "", fmt.Errorf("cluster: %w", err)
		}
	}
	if c.adminAddr, err = proc.FreeAddr(); err != nil {
		return "", err
	}
	oidc := ""
	if c.cfg.ConsoleIssuer != "" {
		oidc = fmt.Sprintf(", OIDC: {Issuer: %s, ClientID: lab, Grants: {operator: [sessions:read, sessions:revoke]}}", quote(c.cfg.ConsoleIssuer))
	}
	return fmt.Sprintf("\nAdmin: {ListenOn: %s, Rest: {Host: %s, Port: %s}, Tokens: {HMACKeyFile: %s}%s}", quote(c.adminAddr), quote(host), port, quote(c.adminKey()), oidc), nil
}

// devServerYAML turns the DevServer of a session node on, at a free address, which it
// returns as well. Both are empty when no address is named for the console.
func (c *Cluster) devServerYAML() (text, addr string, err error) {
	if c.cfg.Console == "" {
		return "", "", nil
	}
	if addr, err = proc.FreeAddr(); err != nil {
		return "", "", err
	}
	host, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf("\nDevServer: {Enabled: true, Host: %s, Port: %s}", quote(host), port), addr, nil
}

// AdminAddr is where authsession serves its admin API over gRPC, for authsession ctl.
// Empty where Config.Console is.
func (c *Cluster) AdminAddr() string { return c.adminAddr }

// DevServers are those of the session nodes, for session ctl. None where Config.Console is
// empty.
func (c *Cluster) DevServers() (addrs []string) {
	for _, s := range c.sessions {
		if s.dev != "" {
			addrs = append(addrs, s.dev)
		}
	}
	return addrs
}

func (c *Cluster) adminKey() string { return c.path("admin.key") }

// ConsoleURL is the session console, empty where Config.Console is.
func (c *Cluster) ConsoleURL() string {
	if c.cfg.Console == "" {
		return ""
	}
	return "http://" + c.cfg.Console + "/console/"
}

// ConsoleToken makes a token that the console and the admin API take, and that may do
// everything. It is what authsession ctl token makes with the key admin.key in
// Config.Dir.
func (c *Cluster) ConsoleToken() (string, error) {
	key, err := os.ReadFile(c.adminKey())
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"jti": rand.Text(), "sub": "lab", "scope": consoleScopes, "iat": now.Unix(), "exp": now.Add(tokenLife).Unix(),
	}).SignedString(key)
}
