package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"nothing", nil, exitUsage},
		{"unknown command", []string{"walk"}, exitUsage},
		{"help", []string{"--help"}, exitOK},
		{"help of run", []string{"run", "--help"}, exitOK},
		{"help of demo", []string{"demo", "-h"}, exitOK},
		{"unknown flag", []string{"demo", "--fast"}, exitUsage},
		{"argument too many", []string{"run", "now"}, exitUsage},
		{"service without a name", []string{"service"}, exitUsage},
		{"service of no such name", []string{"service", "bff"}, exitUsage},
		{"help of service", []string{"service", "--help"}, exitOK},
		{"help of bench", []string{"bench", "--help"}, exitOK},
		{"bench with an unknown mix", []string{"bench", "--mix", "sing=1"}, exitUsage},
		{"bench of a gateway without its key", []string{"bench", "--addr", "127.0.0.1:1"}, exitUsage},
		{"bench with a phone and no gateway", []string{"bench", "--phone", "99", "--code", "1"}, exitUsage},
		{"help of bench with the floor", []string{"bench", "--floor", "--help"}, exitOK},
		{"bench with the floor, of no such row", []string{"bench", "--floor", "--rows", "call,walk"}, exitUsage},
		{"bench with the floor, of a gateway", []string{"bench", "--floor", "--addr", "127.0.0.1:1"}, exitUsage},
		{"help of clients", []string{"clients", "--help"}, exitOK},
		{"clients with an unknown step", []string{"clients", "--steps", "dance"}, exitUsage},
		{"help of chaos", []string{"chaos", "--help"}, exitOK},
		{"chaos with an unknown flag", []string{"chaos", "--calm"}, exitUsage},
		{"help of events", []string{"events", "--help"}, exitOK},
		{"tl without a verb", []string{"tl"}, exitUsage},
		{"tl with an unknown verb", []string{"tl", "sing"}, exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			silence(t)
			require.Equal(t, c.want, dispatch(c.args))
		})
	}
}

// silence keeps what the commands print out of the test's output.
func silence(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = null, null
	t.Cleanup(func() {
		os.Stdout, os.Stderr = out, errs
		_ = null.Close()
	})
}
