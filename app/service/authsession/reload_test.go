package authsession

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tgsession/tgsession/proto/authsession"
)

// What the table says a running node takes is what it takes.
func TestReload(t *testing.T) {
	o := administered(t)
	c := o.node.config
	var live []string
	for _, row := range c.Table() {
		if row.Reload == 1 {
			live = append(live, row.Key)
		}
	}
	require.Equal(t, []string{
		"Log.Level", "AllowPeers", "Sessions.TTLDays", "Sessions.ConfirmWithin", "Sessions.AnnounceLogins",
		"Concurrency.Strategy", "Concurrency.Limit", "Concurrency.Total",
	}, live, "each has its part below; the level's is in cmd/authsession, AnnounceLogins' in package sessions")
	logins := func(user int64) int {
		return o.count("SELECT COUNT(*) FROM auth_users WHERE user_id = ? AND deleted = 0", user)
	}
	shown := func(block, key string) any {
		code, out := o.call("GET", "/v1/config", "")
		require.Equal(t, 200, code)
		return out[block].(map[string]any)[key]
	}

	t.Run("Concurrency", func(t *testing.T) {
		for i := range 3 {
			o.login(801, fmt.Sprint("phone ", i))
		}
		require.Equal(t, 3, logins(801))
		c.Concurrency.Strategy, c.Concurrency.Limit = "limit", 2
		require.NoError(t, o.node.Reload(c))
		o.login(801, "phone 4")
		require.Equal(t, 2, logins(801))
		require.Equal(t, "limit", shown("concurrency", "strategy"))
		c.Concurrency.Strategy, c.Concurrency.Total = "none", 1
		require.NoError(t, o.node.Reload(c))
		o.login(801, "phone 5")
		require.Equal(t, 1, logins(801))
		c.Concurrency.Total = 0
		require.NoError(t, o.node.Reload(c))
	})
	t.Run("Sessions", func(t *testing.T) {
		_, hash := o.login(802, "phone")
		expires := func() time.Duration {
			s, err := o.node.svcCtx.Manager.Get(t.Context(), hash)
			require.NoError(t, err)
			return s.ExpiresAt.Sub(s.LastActive)
		}
		require.Equal(t, 180*24*time.Hour, expires())
		c.Sessions.TTLDays, c.Sessions.ConfirmWithin = 7, time.Hour
		require.NoError(t, o.node.Reload(c))
		require.Equal(t, 7*24*time.Hour, expires())
		require.Equal(t, 7.0, shown("sessions", "ttl_days"))
		_, second := o.login(802, "another")
		s, err := o.node.svcCtx.Manager.Get(t.Context(), second)
		require.NoError(t, err)
		require.True(t, s.Unconfirmed)
	})
	t.Run("AllowPeers", func(t *testing.T) {
		key, _ := o.login(803, "phone")
		ask := func() error {
			_, err := o.peer.AuthsessionGetUserId(t.Context(), &pb.TLAuthsessionGetUserId{AuthKeyId: key})
			return err
		}
		c.AllowPeers = []string{"10.0.0.0/8"}
		require.NoError(t, o.node.Reload(c))
		require.Equal(t, codes.PermissionDenied, status.Code(ask()))
		c.AllowPeers, c.Sessions.TTLDays = []string{"nobody"}, 9
		require.Error(t, o.node.Reload(c))
		require.Equal(t, 7.0, shown("sessions", "ttl_days"), "all or nothing")
		c.AllowPeers, c.Sessions.TTLDays = nil, 7
		require.NoError(t, o.node.Reload(c))
		require.NoError(t, ask())
	})
}
