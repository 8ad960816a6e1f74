package bff

import (
	"testing"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/stretchr/testify/require"
)

// entryWorld is a BFF with an entry data centre 1 that has key 100.
func entryWorld(t *testing.T) *world {
	return newWorld(t, Config{
		Gateway: "127.0.0.1:2000",
		Entry:   Entry{DC: 1, Gateway: "127.0.0.1:1000", Has: func(key int64) bool { return key == 100 }},
	})
}

func TestEntrySendsLoginsOn(t *testing.T) {
	w := entryWorld(t)
	at1, at2 := w.client(100), w.client(200)
	for _, c := range []struct {
		name string
		call func() error
		want string
	}{
		{"auth.sendCode", func() error {
			_, err := at1.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: "15550001"})
			return err
		}, "PHONE_MIGRATE"},
		{"auth.signIn", func() error {
			_, err := at1.AuthSignIn(t.Context(), &tg.AuthSignInRequest{PhoneNumber: "15550001"})
			return err
		}, "PHONE_MIGRATE"},
		{"auth.exportLoginToken", func() error {
			_, err := at1.AuthExportLoginToken(t.Context(), &tg.AuthExportLoginTokenRequest{})
			return err
		}, "NETWORK_MIGRATE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rpc, ok := tgerr.AsType(c.call(), c.want)
			require.True(t, ok)
			require.Equal(t, 303, rpc.Code)
			require.Equal(t, 2, rpc.Argument)
		})
	}
	require.Equal(t, "Ada", at2.logIn(t, "15550001", "Ada").FirstName)
}

func TestEntryIsInTheConfiguration(t *testing.T) {
	w := entryWorld(t)
	want := []tg.DCOption{
		{ID: 1, IPAddress: "127.0.0.1", Port: 1000, Static: true},
		{ID: 2, IPAddress: "127.0.0.1", Port: 2000, Static: true},
	}
	for key, dc := range map[int64]int{100: 1, 200: 2} {
		config, err := w.client(key).HelpGetConfig(t.Context())
		require.NoError(t, err)
		require.Equal(t, dc, config.ThisDC)
		require.Len(t, config.DCOptions, len(want))
		for i, o := range config.DCOptions {
			o.Flags = 0
			require.Equal(t, want[i], o)
		}
		nearest, err := w.client(key).HelpGetNearestDC(t.Context())
		require.NoError(t, err)
		require.Equal(t, dc, nearest.ThisDC)
		require.Equal(t, 2, nearest.NearestDC)
	}
}

func TestExportToTheEntry(t *testing.T) {
	w := entryWorld(t)
	at1, at2 := w.client(100), w.client(200)
	_, err := at2.AuthExportAuthorization(t.Context(), 1)
	require.True(t, tgerr.IsCode(err, 401), err)
	user := at2.logIn(t, "15550001", "Ada")
	for _, dc := range []int{0, 2, 3} {
		_, err := at2.AuthExportAuthorization(t.Context(), dc)
		require.True(t, tgerr.Is(err, "DC_ID_INVALID"), err)
	}
	exported, err := at2.AuthExportAuthorization(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, user.ID, exported.ID)

	_, err = at1.AuthImportAuthorization(t.Context(), &tg.AuthImportAuthorizationRequest{ID: user.ID, Bytes: []byte("guess")})
	require.True(t, tgerr.Is(err, "AUTH_BYTES_INVALID"), err)
	request := &tg.AuthImportAuthorizationRequest{ID: user.ID, Bytes: exported.Bytes}
	imported, err := at1.AuthImportAuthorization(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, user.ID, imported.(*tg.AuthAuthorization).User.GetID())
	require.Zero(t, w.auth.userOf(100), "a key of the entry is no device")
	_, err = at1.AuthImportAuthorization(t.Context(), request)
	require.True(t, tgerr.Is(err, "AUTH_BYTES_INVALID"), "it proves once: %v", err)
}

func TestExportsAreBounded(t *testing.T) {
	var e exports
	for range maxExports {
		_, ok := e.put(&account{})
		require.True(t, ok)
	}
	_, ok := e.put(&account{})
	require.False(t, ok)
}

func TestNoEntry(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	d.logIn(t, "15550001", "Ada")
	_, err := d.AuthExportAuthorization(t.Context(), 1)
	require.True(t, tgerr.Is(err, "DC_ID_INVALID"), err)
}
