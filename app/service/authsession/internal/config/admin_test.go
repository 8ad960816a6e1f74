package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
)

func TestAdmin(t *testing.T) {
	ours := admintest.NewAuthority(t)
	server := ours.Server(t)
	secret := admintest.File(t, "secret", []byte(admintest.Secret+"\n"))
	short := admintest.File(t, "short", []byte("0123456789abcdef"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	public := admintest.File(t, "public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	load := func(block string) (Admin, error) {
		var c Config
		err := zconf.LoadFromYamlBytes([]byte(file+"Admin: {"+block+"}"), &c)
		return c.Admin, err
	}
	const (
		local  = "ListenOn: 127.0.0.1:1, "
		remote = "ListenOn: 0.0.0.0:1, "
	)
	tokens := "Tokens: {HMACKeyFile: " + secret + "}"
	rest := "Rest: {Port: 1}, " + tokens + ", "
	const issuer, grants = "Issuer: 'https://login.example.org', ", "Grants: {ops: [sessions:read]}"
	encrypted := "CertFile: " + server.Cert + ", KeyFile: " + server.Key
	clients := "ClientCAFile: " + ours.File + ", Clients: {ops.example.org: [sessions:read], root: [sessions:read, sessions:revoke]}"

	for _, block := range []string{
		"",
		local + tokens,
		"Rest: {Port: 1}, " + tokens,
		"ListenOn: 'localhost:1', " + tokens,
		"ListenOn: '[::1]:1', " + tokens,
		local + "Tokens: {PublicKeyFile: " + public + "}",
		local + "Tokens: {PublicKeyFile: " + public + ", Algorithm: ES256}",
		remote + "AllowPlain: true, " + tokens,
		remote + tokens + ", TLS: {" + encrypted + "}",
		remote + "TLS: {" + encrypted + ", " + clients + "}",
		local + tokens + ", KeepLog: 0s",
		"Rest: {Port: 1}, " + tokens + ", OIDC: {Issuer: 'https://login.example.org', ClientID: console, ClientSecretFile: " + secret + ", Grants: {ops: [sessions:read]}}",
		"Rest: {Port: 1}, " + tokens + ", OIDC: {Issuer: 'http://localhost:8080/realm', ClientID: console, NameClaim: email, RolesClaim: roles, Life: 1m, Grants: {ops: [sessions:read]}}",
	} {
		_, err := load(block)
		require.NoError(t, err, block)
	}
	deny := admintest.File(t, "deny", []byte("jti\n"))
	for _, tokens := range []string{
		"Keys: [{ID: a, HMACKeyFile: " + secret + "}, {ID: b, PublicKeyFile: " + public + "}], DenyFile: " + deny + ", MaxLife: 24h",
		"HMACKeyFile: " + secret + ", Keys: [{ID: b, PublicKeyFile: " + public + "}]",
	} {
		a, err := load(local + "Tokens: {" + tokens + "}")
		require.NoError(t, err, tokens)
		keys, err := a.Tokens.Load()
		require.NoError(t, err)
		require.Len(t, keys.ByID, 2)
	}
	for block, want := range map[string]string{
		local + "Tokens: {Keys: [{ID: a}]}": "Admin.Tokens.Keys[0] names no file",
		local + "Tokens: {Keys: [{ID: a, HMACKeyFile: " + secret + "}, {ID: a, HMACKeyFile: " + secret + "}]}": "Admin.Tokens.Keys[1].ID is empty, or another",
		local + "Tokens: {Keys: [{ID: a, HMACKeyFile: " + short + "}]}":                                        "Admin.Tokens.Keys[0].HMACKeyFile holds 16 bytes",
		local + "Tokens: {JWKSFile: " + secret + "}":                                                           "Admin.Tokens.JWKSFile is no JSON Web Key Set",
		local + "Tokens: {JWKSURL: 'http://sso.example.org/keys'}":                                             "Admin.Tokens.JWKSURL is neither https nor on this host",
		local + "Tokens: {HMACKeyFile: " + secret + ", DenyFile: /nowhere}":                                    "Admin.Tokens.DenyFile cannot be read",
		local + "Tokens: {HMACKeyFile: " + secret + ", MaxLife: 1s}":                                           "Admin.Tokens.MaxLife is 1s: give 0s, or 1m or more",
		local + "Tokens: {DenyFile: " + deny + "}, TLS: {" + encrypted + ", " + clients + "}":                  "Admin.Tokens names no key",
		local + tokens + ", Refusals: {PerMinute: 0}":                                                          "Admin.Refusals.PerMinute is 0: give 0.001 to 600",
		tokens:                                            "Admin names no listener",
		"AllowPlain: true":                                "Admin names no listener",
		local:                                             "Admin lets nobody in",
		local + "TLS: {" + encrypted + "}":                "Admin lets nobody in",
		"Rest: {Port: 70000}, " + tokens:                  "Admin.Rest.Port is 70000: give 0 to 65535",
		"ListenOn: here, " + tokens:                       "Admin.ListenOn is no address",
		remote + tokens:                                   "Admin.ListenOn listens on a network without TLS",
		"ListenOn: ':1', " + tokens:                       "Admin.ListenOn listens on a network without TLS",
		"ListenOn: 'example.org:1', " + tokens:            "Admin.ListenOn listens on a network without TLS",
		"Rest: {Host: 0.0.0.0, Port: 1}, " + tokens:       "Admin.Rest.Host listens on a network without TLS",
		local + "Tokens: {HMACKeyFile: " + short + "}":    "Admin.Tokens.HMACKeyFile holds 16 bytes, fewer than 32",
		local + "Tokens: {HMACKeyFile: /nowhere/key}":     "Admin.Tokens.HMACKeyFile cannot be read",
		local + "Tokens: {HMACKeyFile: " + public + "}":   "Admin.Tokens.HMACKeyFile is a PEM file",
		local + "Tokens: {PublicKeyFile: " + secret + "}": "Admin.Tokens.PublicKeyFile is not PEM",
		local + "Tokens: {HMACKeyFile: " + secret + ", PublicKeyFile: x}":                                   "Admin.Tokens.HMACKeyFile and PublicKeyFile are both set",
		local + "Tokens: {PublicKeyFile: " + public + ", Algorithm: RS256}":                                 "Admin.Tokens.Algorithm is RS256",
		local + "Tokens: {HMACKeyFile: " + secret + ", Algorithm: none}":                                    "Admin.Tokens.Algorithm is none",
		local + "TLS: {" + encrypted + ", " + clients + "}, Tokens: {Issuer: us}":                           "Admin.Tokens names no key",
		local + tokens + ", TLS: {CertFile: " + server.Cert + "}":                                           "names one of CertFile and KeyFile alone",
		local + tokens + ", TLS: {CertFile: /nowhere, KeyFile: /nowhere}":                                   "Admin.TLS.CertFile or KeyFile cannot be used",
		local + tokens + ", TLS: {CertFile: /dev/zero, KeyFile: " + server.Key + "}":                        "Admin.TLS.CertFile or KeyFile cannot be used (/dev/zero holds more than 4096 KiB)",
		local + tokens + ", TLS: {CertFile: " + server.Cert + ", KeyFile: /dev/zero}":                       "Admin.TLS.CertFile or KeyFile cannot be used (/dev/zero holds more than 4096 KiB)",
		local + "TLS: {" + clients + "}":                                                                    "Admin.TLS.CertFile is missing",
		local + "TLS: {" + encrypted + ", ClientCAFile: " + ours.File + "}":                                 "Admin.TLS.Clients names nobody",
		local + "TLS: {" + encrypted + ", ClientCAFile: " + secret + ", Clients: {a: [sessions:read]}}":     "Admin.TLS.ClientCAFile holds no certificate",
		local + "TLS: {" + encrypted + ", ClientCAFile: /nowhere, Clients: {a: [sessions:read]}}":           "Admin.TLS.ClientCAFile cannot be read",
		local + "TLS: {" + encrypted + ", ClientCAFile: " + ours.File + ", Clients: {a: [sessions:write]}}": `Admin.TLS.Clients.a names the scope "sessions:write"`,
		local + tokens + ", TLS: {" + encrypted + ", Clients: {a: [sessions:read]}}":                        "Admin.TLS.ClientCAFile is missing",
		local + tokens + ", RateLimit: {PerSecond: 0}":                                                      "Admin.RateLimit.PerSecond is 0: give 0.001 to 10000",
		local + tokens + ", RateLimit: {Burst: 0}":                                                          "Admin.RateLimit.Burst is 0: give 1 to 1000000",
		local + tokens + ", Timeout: 1ms":                                                                   "Admin.Timeout is 1ms: give 100ms to 5m",
		local + tokens + ", KeepLog: 1s":                                                                    "Admin.KeepLog is 1s: give 0s, or 1h or more",

		rest + "OIDC: {ClientID: console}":                                                                                  "Admin.OIDC.Issuer is missing",
		rest + "OIDC: {Issuer: 'login.example.org', ClientID: console, " + grants + "}":                                     "Admin.OIDC.Issuer is no https address",
		rest + "OIDC: {Issuer: 'http://login.example.org', ClientID: console, " + grants + "}":                              "Admin.OIDC.Issuer is no https address",
		rest + "OIDC: {" + issuer + grants + "}":                                                                            "Admin.OIDC.ClientID is missing",
		rest + "OIDC: {" + issuer + "ClientID: console}":                                                                    "Admin.OIDC.Grants lets nobody do anything",
		rest + "OIDC: {" + issuer + "ClientID: console, Grants: {ops: [sessions:write]}}":                                   `Admin.OIDC.Grants.ops names the scope "sessions:write"`,
		rest + "OIDC: {" + issuer + "ClientID: console, Life: 1s, " + grants + "}":                                          "Admin.OIDC.Life is 1s: give 0s, or 1m to 24h",
		rest + "OIDC: {" + issuer + "ClientID: console, ClientSecretFile: /nowhere, " + grants + "}":                        "Admin.OIDC.ClientSecretFile cannot be read",
		local + tokens + ", OIDC: {" + issuer + "ClientID: console, " + grants + "}":                                        "Admin.OIDC is for the console, which is not served",
		"Rest: {Port: 1}, Tokens: {PublicKeyFile: " + public + "}, OIDC: {" + issuer + "ClientID: console, " + grants + "}": "Admin.OIDC has no key to make tokens with",
		"OIDC: {" + issuer + "ClientID: console}":                                                                           "Admin names no listener",
	} {
		_, err := load(block)
		require.ErrorContains(t, err, want, block)
		require.NotContains(t, err.Error(), admintest.Secret[:8], "nothing of the key")
	}

	a, err := load(local + "TLS: {" + encrypted + ", " + clients + "}")
	require.NoError(t, err)
	names, err := a.Clients()
	require.NoError(t, err)
	require.Equal(t, []token.Scope{token.Read}, names["ops.example.org"].Scopes, "a name keeps its dots")
	require.True(t, names["root"].May(token.Revoke))
	require.Equal(t, AdminRate{PerSecond: 20, Burst: 40}, a.RateLimit)
	require.Equal(t, 10*time.Second, a.Timeout)
	require.Empty(t, a.RestAddress())
}

func TestAdminIsOffByDefault(t *testing.T) {
	var c Config
	require.NoError(t, zconf.LoadFromYamlBytes([]byte(file), &c))
	require.False(t, c.Admin.Enabled())
}
