package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// An API that is off is nothing, and may be started and stopped.
func TestOffIsNothing(t *testing.T) {
	a, err := New(config.Config{}, nil, nil, time.Now)
	require.NoError(t, err)
	require.Nil(t, a)
	require.NoError(t, a.Start(t.Context()))
	require.NoError(t, a.Stop(t.Context()))
}

// Stop closes both listeners, and may be repeated. Right after Start gRPC's may
// close a moment later: grpc does it when it gets to serve.
func TestStopClosesTheListeners(t *testing.T) {
	a := serve(t, false, plainTokens)
	require.NoError(t, a.server.Stop(context.Background()))
	require.NoError(t, a.server.Stop(context.Background()))
	for _, address := range []string{a.grpc, a.rest} {
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
			}
			return err != nil
		}, 5*time.Second, time.Millisecond, address)
	}
}

// A client that sends its headers byte by byte, or more of them than anybody
// needs, does not keep a connection.
func TestClientsThatWasteARequest(t *testing.T) {
	a := serve(t, false, plainTokens)
	answer, _, err := a.call("GET", "/v1/config", "", "", "X-Much", strings.Repeat("x", 64<<10))
	require.NoError(t, err)
	require.Equal(t, 431, answer.StatusCode)

	conn, err := net.Dial("tcp", a.rest)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /v1/config HTTP/1.1\r\nHost:"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(3*headerTime)))
	_, err = io.ReadAll(conn)
	require.NoError(t, err, "the server hangs up")

	ctx, client := a.client(reader(t))
	_, err = client.ListSessions(ctx, &pb.ListSessionsRequest{PageToken: strings.Repeat("x", maxRequest)})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Empty(t, a.sessions.calls())
}

// What is asked of the API, and refused, can be seen from outside.
func TestMetrics(t *testing.T) {
	prometheus.Enable()
	a := serve(t, false, plainTokens)
	a.must("GET", "/v1/statistics", reader(t), "")
	a.must("GET", "/v1/statistics", "rubbish", "")
	a.must("DELETE", "/v1/sessions/2", reader(t), "")
	a.rows.fail = true
	a.must("DELETE", "/v1/sessions/2", revoker(t), "")
	answer := httptest.NewRecorder()
	promhttp.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`authsession_admin_requests_total{code="OK",method="GetStatistics",transport="rest"} `,
		`authsession_admin_requests_total{code="PERMISSION_DENIED",method="RevokeSession",transport="rest"} `,
		`authsession_admin_requests_total{code="UNAVAILABLE",method="RevokeSession",transport="rest"} `,
		`authsession_admin_refused_total{reason="token_malformed"} `,
		`authsession_admin_refused_total{reason="scope"} `,
		`authsession_admin_refused_total{reason="audit"} `,
		`authsession_admin_audit_failures_total `,
	} {
		require.Contains(t, answer.Body.String(), line)
	}
}

// Nothing but the service is on the listener for gRPC: no health, no
// reflection, nothing that needs no credentials.
func TestOnlyTheServiceIsServed(t *testing.T) {
	a := serve(t, false, plainTokens)
	ctx, _ := a.client(reader(t))
	conn := dialed(t, a.grpc)
	for _, method := range []string{"/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/admin.SessionAdmin/Nothing", "/authsession.RPCAuthsession/authsession_queryAuthKey"} {
		err := conn.Invoke(ctx, method, &pb.GetConfigRequest{}, &pb.Config{})
		require.Equal(t, codes.Unimplemented, status.Code(err), method)
	}
}

// More connections than anybody needs are closed at once, and one that ends makes
// room.
func TestRESTConnectionsAreCapped(t *testing.T) {
	a := serve(t, false, plainTokens)
	held := make([]net.Conn, maxConnections)
	for i := range held {
		var err error
		held[i], err = net.Dial("tcp", a.rest)
		require.NoError(t, err)
		defer held[i].Close()
	}
	one, err := net.Dial("tcp", a.rest)
	require.NoError(t, err)
	defer one.Close()
	require.NoError(t, one.SetReadDeadline(time.Now().Add(headerTime/2)))
	_, err = one.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server hangs up")
	held[0].Close()
	require.Eventually(t, func() bool {
		answer, _, err := a.call("GET", "/openapi.yaml", "", "")
		return err == nil && answer.StatusCode == http.StatusOK
	}, headerTime/2, 10*time.Millisecond)
}
