package svc

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// A peer that was away for long was looked for every two minutes: when it was
// back, calls to it went on failing.
func TestAPeerThatIsBackIsFoundWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		conn, err := dial(zrpc.RpcClientConf{Endpoints: []string{"127.0.0.1:1"}}, grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			attempts = append(attempts, time.Now())
			return nil, errors.New("nobody is there")
		}))
		require.NoError(t, err)
		conn.Connect()
		time.Sleep(10 * time.Minute)
		require.NoError(t, conn.Close())
		synctest.Wait()
		require.NotEmpty(t, attempts)
		last := attempts[0]
		for _, at := range attempts[1:] {
			require.Less(t, at.Sub(last), 3*time.Second)
			last = at
		}
		require.Greater(t, last.Sub(attempts[0]), 9*time.Minute)
		require.Less(t, len(attempts), 600, "it is not hammered, either")
	})
}
