package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// doctor says by its exit code whether there is a fault, and goes on beside a node
// that serves.
func TestDoctor(t *testing.T) {
	v := values(t, testenv.DSN(t, true))
	path := file(t, "stock-app.yaml", v)
	serveFile(t, path, v)
	doctor := func(args ...string) (int, string) {
		p := start(t, append([]string{"doctor"}, args...)...)
		code, _ := p.exit(60 * time.Second)
		return code, p.output()
	}
	code, output := doctor("-f", path)
	require.Zero(t, code, output)
	require.Contains(t, output, "ok     authsession "+v["LISTEN"]+": answers")
	require.Contains(t, output, ": faults 0, ")

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), "- Host: "+v["REDIS"], "- Host: 127.0.0.1:1", 1)), 0o600))
	code, output = doctor("-f", path)
	require.Equal(t, 1, code, output)
	require.Contains(t, output, "FAULT  Redis 127.0.0.1:1 (Cache): does not answer")
	require.NotContains(t, output, "{\"@timestamp\"", "no log among the lines")

	code, output = doctor("-f", path+".none", "-o", "json")
	require.Equal(t, 1, code)
	require.Contains(t, output, "cannot be read")
	code, _ = doctor("-f", path, "-o", "yaml")
	require.Equal(t, 2, code)
}
