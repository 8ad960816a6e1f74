package core

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
)

// A sign-in locks its user's row, then rows of logins. What settles an owed
// password takes them in the same order: while it waits for the user, it keeps
// no other key from signing in. Taken the other way round, two devices of one
// user that log in at once wait for each other, and the database ends one of
// the calls.
func TestAnOwedPasswordWaitsForItsUserFirst(t *testing.T) {
	c := start(t)
	k := c.device()
	c.mark(k, 1, 0, true)
	c.login(k, 777)
	c.is(k, "5 777", "the password is owed")

	signIn, err := c.db.BeginTx(t.Context(), nil) // of the same user elsewhere
	require.NoError(t, err)
	defer func() { _ = signIn.Rollback() }()
	_, err = signIn.Exec("UPDATE auth_user_settings SET user_id = user_id WHERE user_id = 777")
	require.NoError(t, err)
	var locked int64
	require.NoError(t, signIn.QueryRow("SELECT user_id FROM auth_user_settings WHERE user_id = 777 FOR UPDATE").Scan(&locked))

	settled := make(chan error, 1)
	go func() {
		_, err := c.on(1).SetPasswordPending(&authsession.SetPasswordPendingRequest{AuthKeyId: k.IntID(), Owner: 1, UserId: 777})
		settled <- err
	}()
	testenv.AwaitLockWaits(t, c.db, 1) // for the user

	other, err := c.db.Conn(t.Context())
	require.NoError(t, err)
	defer other.Close()
	_, err = other.ExecContext(t.Context(), "SET SESSION innodb_lock_wait_timeout = 1")
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "INSERT INTO auth_users(auth_key_id, user_id, hash) VALUES (?, 778, 5)", k.IntID()+1)
	require.NoError(t, err, "the key beside it signs in meanwhile")

	require.NoError(t, signIn.Commit())
	require.NoError(t, <-settled)
	c.is(k, "6 777", "the password is paid")
}

// Somebody who signs in while a call waits to settle what the key owes is seen
// by it.
func TestSignInWhileAnOwedPasswordIsSettled(t *testing.T) {
	c := start(t)
	k := c.device()
	c.mark(k, 1, 0, true)

	signIn, err := c.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = signIn.Rollback() }()
	var locked int64
	require.NoError(t, signIn.QueryRow("SELECT auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", k.IntID()).Scan(&locked))

	settled := make(chan error, 1)
	go func() {
		_, err := c.on(1).SetPasswordPending(&authsession.SetPasswordPendingRequest{AuthKeyId: k.IntID(), Owner: 1, UserId: 777})
		settled <- err
	}()
	testenv.AwaitLockWaits(t, c.db, 1) // for the key
	_, err = signIn.Exec("INSERT INTO auth_users(auth_key_id, user_id, hash) VALUES (?, 777, 5)", k.IntID())
	require.NoError(t, err)
	_, err = signIn.Exec("UPDATE auth_password_pendings SET user_id = 777 WHERE auth_key_id = ?", k.IntID())
	require.NoError(t, err)
	require.NoError(t, signIn.Commit())

	require.NoError(t, <-settled)
	c.is(k, "6 777", "the password is paid")
}
