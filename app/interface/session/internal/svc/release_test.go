package svc

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck/bfftest"
	"github.com/tgsession/tgsession/app/internal/conf"
)

func withBFF(address string) (c config.Config) {
	c.Schema = config.SchemaAuto
	c.BFFProxyClients.Clients = []zrpc.RpcClientConf{{Endpoints: []string{address}}}
	return c
}

func TestReleaseOfABFF(t *testing.T) {
	for _, release := range []string{"0.223.1", "0.213.0"} {
		t.Run(release, func(t *testing.T) {
			found, err := FindRelease(t.Context(), withBFF(bfftest.Start(t, release, bfftest.Every, nil)))
			require.NoError(t, err)
			require.Equal(t, release, found)
		})
	}
	t.Run("of several with the same tables the newest", func(t *testing.T) {
		found, err := FindRelease(t.Context(), withBFF(bfftest.Start(t, "0.222.1", bfftest.Every, nil)))
		require.NoError(t, err)
		require.Equal(t, "0.223.0", found)
	})

	foreign := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return status.Error(codes.Internal, "no") }))
	for name, tc := range map[string]struct{ address, problem, fix string }{
		"one that cannot be told": {
			bfftest.Start(t, "0.220.0", bfftest.Every, nil),
			"fit several releases: 0.220.4, 0.220.3, 0.220.2, 0.220.1, 0.220.0", "name the release that the BFF was built from, one of these",
		},
		"one that tells nothing":                {bfftest.Serve(t, foreign), "fit several releases: 0.223.1, ", "one of these"},
		"one of a release that is not built in": {bfftest.Start(t, "0.223.1", bfftest.Every, []byte{0x98, 0x32, 1}), "no release that is built in fits", "lab tlgen"},
		"one that does not answer":              {"127.0.0.1:1", "nobody tells the release (BFF 127.0.0.1:1: ", "start the BFF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FindRelease(t.Context(), withBFF(tc.address))
			var key *conf.KeyError
			require.ErrorAs(t, err, &key)
			require.Equal(t, "Schema", key.Key)
			require.Contains(t, key.Problem, tc.problem)
			require.Contains(t, key.Problem, tc.address)
			require.Contains(t, key.Fix, tc.fix)
		})
	}
}

// A start waits for a BFF that is not there yet, for a while.
func TestAStartWaitsForTheBFF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Prepare(withBFF("127.0.0.1:1"), nil, "127.0.0.1:20120")
		conn := &lateBFF{after: 12 * time.Second, began: time.Now()}
		s.bffs = map[string]grpc.ClientConnInterface{"bff.bff": conn}
		_, err := s.findRelease(t.Context(), releaseWait)
		require.ErrorContains(t, err, "fit several releases", "it has answered")
		require.Less(t, time.Since(conn.began), 20*time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		s := Prepare(withBFF("127.0.0.1:1"), nil, "127.0.0.1:20120")
		began := time.Now()
		s.bffs = map[string]grpc.ClientConnInterface{"bff.bff": &lateBFF{after: time.Hour, began: began}}
		_, err := s.findRelease(t.Context(), releaseWait)
		require.ErrorContains(t, err, "Schema is auto, and nobody tells the release (BFF bff.bff: ")
		require.InDelta(t, releaseWait.Seconds(), time.Since(began).Seconds(), 2*releasePause.Seconds())
	})
}

// lateBFF is a connection to a BFF that comes after a while, and knows nothing.
type lateBFF struct {
	grpc.ClientConnInterface
	after time.Duration
	began time.Time
}

func (b *lateBFF) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	if time.Since(b.began) < b.after {
		return status.Error(codes.Unavailable, "nobody is there")
	}
	return status.Error(codes.Unimplemented, "not here")
}
