// Package rpcclient holds what all gRPC clients of our services have in common.
package rpcclient

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Reconnect looks for a peer that is away every other second: gRPC's own pauses
// grow to two minutes, for which all calls to a peer that is back would fail.
func Reconnect() grpc.DialOption {
	return grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: backoff.Config{
			BaseDelay:  100 * time.Millisecond,
			Multiplier: backoff.DefaultConfig.Multiplier,
			Jitter:     backoff.DefaultConfig.Jitter,
			MaxDelay:   2 * time.Second,
		},
		// A peer that took the connection and says nothing is given up; gRPC
		// would hope for 20 s.
		MinConnectTimeout: 5 * time.Second,
	})
}
