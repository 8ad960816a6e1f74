package bff

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	grpcmetadata "google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/tl"
)

// The handlers' types and the default release are of the same layer, so that
// nothing is lost on the way.
func TestLayer(t *testing.T) {
	schema, err := release()
	require.NoError(t, err)
	require.Equal(t, 223, tg.Layer)
	require.Equal(t, tg.Layer, schema.MaxLayer())
}

func TestHelp(t *testing.T) {
	d := newWorld(t, Config{DC: 3, Gateway: "127.0.0.1:10443"}).client(100)
	config, err := d.HelpGetConfig(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, config.ThisDC)
	require.Len(t, config.DCOptions, 1)
	require.Equal(t, "127.0.0.1", config.DCOptions[0].IPAddress)
	require.Equal(t, 10443, config.DCOptions[0].Port)
	require.Greater(t, config.Expires, config.Date)

	dc, err := d.HelpGetNearestDC(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, dc.NearestDC)

	app, err := d.HelpGetAppConfig(t.Context(), 0)
	require.NoError(t, err)
	require.IsType(t, (*tg.HelpAppConfig)(nil), app)

	cdn, err := d.HelpGetCDNConfig(t.Context())
	require.NoError(t, err)
	require.Empty(t, cdn.PublicKeys)
}

func TestUsers(t *testing.T) {
	w := newWorld(t, Config{})
	ada, bob := w.client(100), w.client(200)
	adaUser, bobUser := ada.logIn(t, "15550001", "Ada"), bob.logIn(t, "15550002", "Bob")

	contacts, err := ada.ContactsGetContacts(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, []tg.Contact{{UserID: bobUser.ID, Mutual: true}}, contacts.(*tg.ContactsContacts).Contacts)

	users, err := ada.UsersGetUsers(t.Context(), []tg.InputUserClass{
		&tg.InputUserSelf{}, bobUser.AsInput(), &tg.InputUser{UserID: 9}, &tg.InputUserEmpty{},
	})
	require.NoError(t, err)
	require.Len(t, users, 2)
	require.True(t, users[0].(*tg.User).Self)
	require.Equal(t, bobUser.ID, users[1].GetID())
	require.False(t, users[1].(*tg.User).Self)
	require.True(t, users[1].(*tg.User).Contact)

	full, err := bob.UsersGetFullUser(t.Context(), &tg.InputUser{UserID: adaUser.ID})
	require.NoError(t, err)
	require.Equal(t, adaUser.ID, full.FullUser.ID)
	_, err = bob.UsersGetFullUser(t.Context(), &tg.InputUser{UserID: 9})
	requireRPCError(t, err, 400, "USER_ID_INVALID")
}

func TestGroups(t *testing.T) {
	groups := newWorld(t, Config{}).bff.Groups()
	require.Contains(t, groups, "RPCFiles")
	require.Contains(t, groups, "RPCStickers", "which stock does not route")
}

func TestUnservedMethods(t *testing.T) {
	d := newWorld(t, Config{}).client(100)
	for name, path := range map[string]string{
		"unknown service":           "/mtproto.RPCNothing/nothing",
		"unknown method":            "/mtproto.RPCUsers/users_nothing",
		"method without a handler":  "/mtproto.RPCStories/stories_toggleAllStoriesHidden",
		"method of another service": "/mtproto.RPCChats/help_getConfig",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.invoke(t.Context(), path, nil)
			require.Equal(t, codes.Unimplemented, grpcstatus.Code(err), "%v", err)
		})
	}
}

func TestBrokenInput(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	t.Run("request", func(t *testing.T) {
		_, err := d.invoke(t.Context(), "/mtproto.RPCUsers/users_getUsers", []byte{0xff})
		requireRPCError(t, err, 400, "INPUT_REQUEST_INVALID")
	})
	t.Run("message that is no request", func(t *testing.T) {
		_, err := d.invoke(t.Context(), "/mtproto.RPCUsers/user", nil)
		require.Error(t, err)
	})
	for name, header := range map[string]string{"no base64": "!", "no protobuf": "/////w=="} {
		t.Run("header: "+name, func(t *testing.T) {
			ctx := grpcmetadata.AppendToOutgoingContext(t.Context(), metadataHeader, header)
			request, reply := passthrough.Frame(nil), passthrough.Frame(nil)
			err := w.conn.Invoke(ctx, "/mtproto.RPCConfiguration/help_getConfig", &request, &reply)
			require.Equal(t, codes.Code(400), grpcstatus.Code(err), "%v", err)
		})
	}
	t.Run("no header", func(t *testing.T) {
		request, reply := passthrough.Frame(nil), passthrough.Frame(nil)
		err := w.conn.Invoke(t.Context(), "/mtproto.RPCConfiguration/help_getConfig", &request, &reply)
		require.NoError(t, err)
		require.NotEmpty(t, reply)
	})
}

// Real messages share the connection with passed-through ones.
func TestHealth(t *testing.T) {
	w := newWorld(t, Config{})
	resp, err := grpc_health_v1.NewHealthClient(w.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, resp.Status)
}

func TestFailAndDelay(t *testing.T) {
	var seen atomic.Value
	var failure atomic.Pointer[error]
	d := newWorld(t, Config{
		Delay: func(method string) time.Duration {
			seen.Store(method)
			if method == "help.getNearestDc" {
				return time.Hour
			}
			return 0
		},
		Fail: func(string) error {
			if err := failure.Load(); err != nil {
				return *err
			}
			return nil
		},
	}).client(100)
	_, err := d.HelpGetConfig(t.Context())
	require.NoError(t, err)
	require.Equal(t, "help.getConfig", seen.Load())

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = d.HelpGetNearestDC(ctx)
	require.Equal(t, codes.DeadlineExceeded, grpcstatus.Code(err))

	for _, tc := range []struct {
		name string
		give error
		code codes.Code
		text string
	}{
		{"rpc error", tgerr.New(420, "FLOOD_WAIT_3"), 420, "FLOOD_WAIT_3"},
		{"promise of a result", grpcstatus.Error(700, "NOTRETURN_CLIENT"), 700, "NOTRETURN_CLIENT"},
		{"peer is down", grpcstatus.Error(codes.Unavailable, "down"), codes.Unavailable, "down"},
		{"fault", errors.New("secret detail"), 500, "INTERNAL_SERVER_ERROR"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			failure.Store(&tc.give)
			_, err := d.invoke(t.Context(), "/mtproto.RPCConfiguration/help_getConfig", nil)
			var rpc *tgerr.Error
			if errors.As(err, &rpc) {
				err = grpcstatus.Error(codes.Code(rpc.Code), rpc.Message)
			}
			require.Equal(t, tc.code, grpcstatus.Code(err))
			require.Equal(t, tc.text, grpcstatus.Convert(err).Message())
		})
	}
}

func TestOtherRelease(t *testing.T) {
	require.Contains(t, tl.Releases(), "0.222.3")
	_, err := New(Config{Release: "0.1"})
	require.Error(t, err)
}

func TestStopBeforeStart(t *testing.T) {
	cfg := Config{}
	cfg.AuthSession.Endpoints = []string{"127.0.0.1:1"}
	s, err := New(cfg)
	require.NoError(t, err)
	s.Stop()
	s.Stop()
}
