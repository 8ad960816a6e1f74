package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// ask serves one request and returns the line that answers it.
func ask(t *testing.T, request string) string {
	t.Helper()
	in, requests := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- serve(t.Context(), in, out) }()
	_, err := io.WriteString(requests, request+"\n")
	require.NoError(t, err)
	answer, err := bufio.NewReader(answers).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, requests.Close())
	require.NoError(t, <-served)
	return answer
}

func TestRequests(t *testing.T) {
	start := func(key string) string {
		return fmt.Sprintf(`{"id":7,"do":"start","args":{"dir":%q,"host":"127.0.0.1","port":1,"dc":2,"key":%q}}`, t.TempDir(), key)
	}
	for _, tc := range []struct{ name, request, want string }{
		{"before start", `{"id":7,"do":"me","args":{}}`, `{"id":7,"error":{"code":0,"message":"not started"}}`},
		{"arguments of another kind", `{"id":7,"do":"start","args":[]}`, "arguments of start"},
		{"a key that is none", start("key"), `{"id":7,"error":{"code":0,"message":"0 RSA keys"}}`},
		{"stop", `{"id":7,"do":"stop"}`, `{"id":7,"ok":{}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Contains(t, ask(t, tc.request), tc.want)
		})
	}
	require.Error(t, serve(t.Context(), strings.NewReader("me"), &strings.Builder{}))
}

func TestClock(t *testing.T) {
	t.Setenv("CLOCK_SKEW_SECONDS", "-3600")
	c, err := skew()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(-time.Hour), c.Now(), time.Minute)
	t.Setenv("CLOCK_SKEW_SECONDS", "soon")
	_, err = skew()
	require.Error(t, err)
}
