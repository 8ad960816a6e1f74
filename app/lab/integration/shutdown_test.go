package integration

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/authsession"
)

// Weakness 48: answers that were computed while a node stopped went to a queue
// that nobody read, and a full one was waited for without end. Whatever is in
// flight when SIGTERM arrives now reaches its client, and the process ends by
// itself within its configured time.
func TestWeakness48ShutdownDeliversAnswersInFlight(t *testing.T) {
	c := startCluster(t, "etc", "")
	release := c.hold(getUsers, &tg.UserClassVector{})
	calls, n := map[*client][]int64{}, 0
	for i := range 4 {
		cl := c.newUser(int64(1 + i))
		for range 25 {
			calls[cl] = append(calls[cl], cl.call(getSelf))
			n++
		}
	}
	eventually(t, "the calls are in flight", func() bool { return len(c.bff.seen(getUsers)) == n })

	require.NoError(t, c.session.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "session left etcd", func() bool { return !c.Registered("interface.session", c.session.addr) })
	select {
	case <-c.session.exited:
		t.Fatal("session ended with a call in flight")
	case <-time.After(time.Second): // enough for a node that waits for nothing
	}
	free := c.gateway.hold() // which takes its time
	release()
	time.Sleep(time.Second)
	free()
	for cl, ids := range calls {
		for range ids {
			resultOf(t, cl.await("an answer", func(m message) bool { return slices.Contains(ids, answered(m)) }))
		}
	}
	select {
	case <-c.session.exited:
		require.NoError(t, c.session.err)
	case <-time.After(30 * time.Second):
		t.Fatal("session did not end within 30 s")
	}
}

// A call that waits for the database while SIGTERM arrives is still answered
// by authsession, which then ends by itself.
func TestShutdownOfAuthsessionAnswersCallsInFlight(t *testing.T) {
	c := startCluster(t, "app", "")
	key := c.newKey(0)
	lock, err := c.DB.Conn(t.Context())
	require.NoError(t, err)
	defer lock.Close()
	_, err = lock.ExecContext(t.Context(), "LOCK TABLES auths WRITE")
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() {
		_, err := c.auth.AuthsessionSetLayer(t.Context(), &authsession.TLAuthsessionSetLayer{AuthKeyId: key.id(), Layer: 223})
		answer <- err
	}()
	eventually(t, "the call waits for the table", func() bool {
		var waiting int
		row := c.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'")
		return row.Scan(&waiting) == nil && waiting > 0
	})

	require.NoError(t, c.authsession.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "authsession left etcd", func() bool { return !c.Registered("service.authsession", c.authsession.addr) })
	_, err = lock.ExecContext(t.Context(), "UNLOCK TABLES")
	require.NoError(t, err)
	require.NoError(t, <-answer)
	select {
	case <-c.authsession.exited:
		require.NoError(t, c.authsession.err)
	case <-time.After(30 * time.Second):
		t.Fatal("authsession did not end within 30 s")
	}
}

// A restart of both services logs nobody out: the same key goes on with a
// new session state.
func TestRestartKeepsLogins(t *testing.T) {
	c := startCluster(t, "etc", "")
	cl := c.newUser(1)
	c.session.stop(syscall.SIGTERM)
	c.authsession.stop(syscall.SIGTERM)
	c.authsession = c.startAuthsession(t, "etc-authsession.yaml", "")
	c.session = c.startSession(t, "etc-session.yaml", "")

	again := newClient(t, dial(t, c.session.addr), c.gateway, cl.key)
	c.answer(getUsers, &tg.UserClassVector{})
	again.result(again.call(getSelf))
	require.Equal(t, int64(1), c.bff.seen(getUsers)[0].Meta.UserId)
}
