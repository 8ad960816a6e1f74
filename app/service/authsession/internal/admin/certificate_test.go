package admin

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// withClients is a configuration that takes certificates.
func withClients(t *testing.T) (block string, ours *admintest.Authority) {
	ours = admintest.NewAuthority(t)
	server := ours.Server(t)
	return "TLS: {CertFile: " + server.Cert + ", KeyFile: " + server.Key + ", ClientCAFile: " + ours.File +
		", Clients: {viewer: [sessions:read], ops.example.org: [sessions:read, sessions:revoke]}}", ours
}

func TestCertificates(t *testing.T) {
	block, ours := withClients(t)
	a := serve(t, true, block)
	revoke := func(pair admintest.Pair) (rest int, rpc codes.Code, exit int) {
		a.trust(ours.File, pair)
		rest, text := a.must("DELETE", "/v1/sessions/4611686018427387905", "", "")
		t.Log(text)
		ctx, client := a.client("")
		_, err := client.RevokeSession(ctx, &pb.RevokeSessionRequest{Hash: 1<<62 + 1})
		args := []string{"revoke", "4611686018427387905", "--ca", ours.File}
		if pair.Cert != "" {
			args = append(args, "--cert", pair.Cert, "--key", pair.Key)
		}
		exit, _, stderr := a.ctl("", args...)
		t.Log(stderr)
		return rest, status.Code(err), exit
	}
	for name, tc := range map[string]struct {
		pair           admintest.Pair
		rest           int
		rpc            codes.Code
		exit           int
		caller, reason string
	}{
		"may":                    {ours.ClientByDNS(t, "ops.example.org"), 204, codes.OK, 0, "ops.example.org", ""},
		"by common name":         {ours.Client(t, "ops.example.org", time.Hour), 204, codes.OK, 0, "ops.example.org", ""},
		"may only look":          {ours.Client(t, "viewer", time.Hour), 403, codes.PermissionDenied, 3, "viewer", "scope"},
		"a name nobody gave":     {ours.Client(t, "nobody", time.Hour), 401, codes.Unauthenticated, 3, "", "client_unknown"},
		"no certificate":         {admintest.Pair{}, 401, codes.Unauthenticated, 3, "", "no_credentials"},
		"a server's certificate": {ours.Server(t), 0, codes.Unavailable, 1, "", "certificate"},
		"of another authority":   {admintest.NewAuthority(t).Client(t, "ops.example.org", time.Hour), 0, codes.Unavailable, 1, "", "certificate"},
		"expired":                {ours.Client(t, "ops.example.org", -time.Minute), 0, codes.Unavailable, 1, "", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(a.written())
			if tc.reason == "certificate" { // no connection comes about
				a.trust(ours.File, tc.pair)
				_, _, err := a.call("GET", "/v1/config", "", "")
				require.ErrorContains(t, err, "tls")
				exit, _, stderr := a.ctl("", "config", "--ca", ours.File, "--cert", tc.pair.Cert, "--key", tc.pair.Key)
				require.Equal(t, tc.exit, exit, stderr)
				var written []audit.Entry
				require.Eventually(t, func() bool { written = a.written()[before:]; return len(written) >= 2 }, time.Minute, 10*time.Millisecond)
				for _, e := range written {
					require.Equal(t, []string{"127.0.0.1", "certificate", "UNAUTHENTICATED", ""}, []string{e.ClientIP, e.Reason, e.Code, e.Method})
				}
				return
			}
			rest, rpc, exit := revoke(tc.pair)
			require.Equal(t, []any{tc.rest, tc.rpc, tc.exit}, []any{rest, rpc, exit})
			written := a.written()[before:]
			require.Len(t, written, 3)
			for _, e := range written {
				require.Equal(t, []string{tc.caller, tc.reason}, []string{e.Caller, e.Reason})
			}
		})
	}
	t.Run("plain text", func(t *testing.T) {
		conn, err := net.Dial("tcp", a.rest)
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("GET /v1/config HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, err)
		answer := make([]byte, 100)
		n, _ := conn.Read(answer)
		require.Contains(t, string(answer[:n]), "HTTP/1.0 400")
	})
}

// Where both are taken, a token counts before a certificate, and a bad token is
// not made good by a certificate.
func TestATokenCountsBeforeACertificate(t *testing.T) {
	block, ours := withClients(t)
	a := serve(t, false, block+", "+plainTokens)
	a.trust(ours.File, ours.Client(t, "viewer", time.Hour))
	code, text := a.must("DELETE", "/v1/sessions/2", revoker(t), "")
	require.Equal(t, 204, code, text)
	code, text = a.must("GET", "/v1/config", "", "")
	require.Equal(t, 200, code, text)
	code, text = a.must("GET", "/v1/config", "rubbish", "")
	require.Equal(t, 401, code, text)
	a.trust(ours.File, admintest.Pair{})
	code, text = a.must("GET", "/v1/config", reader(t), "")
	require.Equal(t, 200, code, text)
	code, text = a.must("GET", "/v1/config", "", "")
	require.Equal(t, 401, code, text)
	require.Equal(t, []string{"bob", "viewer", "", "alice", ""}, callers(a.written()))
}

func callers(list []audit.Entry) (names []string) {
	for _, e := range list {
		names = append(names, e.Caller)
	}
	return names
}

// Where no tokens are taken, a token is no way in.
func TestATokenIsNothingWithoutAKey(t *testing.T) {
	block, ours := withClients(t)
	a := serve(t, false, block)
	a.trust(ours.File, admintest.Pair{})
	code, text := a.must("GET", "/v1/config", reader(t), "")
	require.Equal(t, 401, code, text)
}
