package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// All contestants read every payload and agree on it, and the engine allocates nothing.
func TestContestants(t *testing.T) {
	s, messages, err := load()
	require.NoError(t, err)
	for _, p := range payloads() {
		in, all, err := contestants(s, messages.ByName(protoreflect.Name(p.message)), &p)
		require.NoError(t, err)
		t.Logf("%s: %d bytes", p.name, len(in))
		for _, c := range all[:2] {
			require.Zero(t, testing.AllocsPerRun(100, func() { _ = c.run() }), "%s, %s", p.name, c.name)
		}
	}
}

func Benchmark(b *testing.B) {
	s, messages, err := load()
	require.NoError(b, err)
	for _, p := range payloads() {
		in, all, err := contestants(s, messages.ByName(protoreflect.Name(p.message)), &p)
		require.NoError(b, err)
		for _, c := range all {
			b.Run(p.name+"/"+c.name, func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					_ = c.run()
				}
			})
		}
	}
}
