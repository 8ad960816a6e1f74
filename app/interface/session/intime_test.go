package session

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/server"
	"github.com/tgsession/tgsession/proto/session"
)

// inTime makes a call that is answered before its deadline, though not long before
// (server.Margin). It makes ten at most, since a machine that has much to do may hold up an
// answer for as long; who does not answer in time does so with none. An answer at the
// deadline itself is late, whichever of the two is seen first.
func inTime(t testing.TB, limit time.Duration, call func(ctx context.Context) error) error {
	t.Helper()
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err := call(ctx)
		deadline, _ := ctx.Deadline()
		late := time.Until(deadline) < server.Margin/4 || status.Code(err) == codes.DeadlineExceeded
		cancel()
		if !late {
			return err
		}
	}
	require.Fail(t, "no call was answered before its deadline")
	return nil
}

func TestHandlersAnswerBeforeTheirDeadline(t *testing.T) {
	c := startCluster(t)
	n := c.start()
	hold := make(chan struct{})
	defer close(hold)
	key := int64(0x999)
	err := inTime(t, time.Second, func(ctx context.Context) error {
		key++ // nobody waits for it yet: else the end of that wait would come in time
		c.auth.mu.Lock()
		c.auth.slow, c.auth.hold = key, hold
		c.auth.mu.Unlock()
		data, _ := c.device(key, 1, permA).data(ping)
		_, err := n.rpc.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: data})
		return err
	})
	requireStatus(t, err, 500, "INTERNAL_SERVER_ERROR")
}

func TestHTTPAnswersInTime(t *testing.T) {
	c := startCluster(t)
	n := c.start(func(conf *Config) { conf.Session.CallTimeout = 10 * time.Minute }) // nor does the call fail meanwhile
	d := c.login(n, permA, 77)
	hold := make(chan struct{})
	defer close(hold)
	c.bff.on("/mtproto.RPCUsers/users_getUsers", func(ctx context.Context) ([]byte, error) {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return nil, nil
	})
	err := inTime(t, time.Second, func(ctx context.Context) error {
		data, _ := d.data(getUsers) // in a session that is known: there is nothing to tell it at once
		data.ServerId, data.ConnType = "", 2
		_, err := n.rpc.SessionSendHttpDataToSession(ctx, &session.TLSessionSendHttpDataToSession{Client: data})
		return err
	})
	require.NoError(t, err, "an answer, though an empty one")

	d = c.device(0x999, 0, 0)
	data, _ := d.data(ping)
	_, err = n.rpc.SessionSendHttpDataToSession(t.Context(), &session.TLSessionSendHttpDataToSession{Client: data})
	requireStatus(t, err, 401, "AUTH_KEY_UNREGISTERED")
}

// silence is how long a patient node waits for a peer that says nothing: what does not
// wait for it is done long before, on any machine.
const silence = 20 * time.Second

func patient(conf *Config) {
	conf.Timeout, conf.Session.PeerTimeout = 2*silence.Milliseconds(), silence
}
