package reload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/prometheus"
)

func TestMain(m *testing.M) {
	logx.Disable()
	prometheus.Enable() // go-zero's metrics count nothing before
	m.Run()
}

// isRefused is the gauge.
func isRefused(t *testing.T) int {
	t.Helper()
	families, err := promclient.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "authsession_files_refused" {
			require.Len(t, f.GetMetric(), 1)
			require.Equal(t, "Some.Key", f.GetMetric()[0].GetLabel()[0].GetValue())
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	return -1
}

// A file that changes is read again; one that cannot be used leaves what was.
func TestFilesAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("one")
	now := time.Unix(1000, 0)
	reads := 0
	v, err := New("Some.Key", []string{file}, func() time.Time { return now }, func() (string, error) {
		reads++
		text, err := os.ReadFile(file)
		if string(text) == "bad" {
			err = errors.New("bad")
		}
		return string(text), err
	})
	require.NoError(t, err)
	write("three")
	require.Equal(t, "one", v.Get(), "looked at a moment ago")
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get())
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get())
	require.Equal(t, 2, reads, "only when it has changed")
	write("bad")
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get())
	require.Equal(t, 1, isRefused(t))
	require.NoError(t, os.Remove(file))
	now = now.Add(time.Second)
	require.Equal(t, "three", v.Get(), "a file that is gone")
	write("at last")
	now = now.Add(time.Second)
	require.Equal(t, 1, isRefused(t))
	require.Equal(t, "at last", v.Get())
	require.Zero(t, isRefused(t))

	_, err = New("Some.Key", []string{file}, time.Now, func() (string, error) { return "", errors.New("bad") })
	require.EqualError(t, err, "bad")
}
