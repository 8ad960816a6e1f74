package dao

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
)

// old leaves a key in Redis alone, as old installs have it.
func (s *store) old(id int64, perm string) {
	s.mini.HSet(legacyKey(id), "auth_key", strings.Repeat("x", 256), "auth_key_type", "1", "perm_auth_key_id", perm)
}

// A temp key of an old install that was removed came back with its binding at the next read,
// and led to the login of its perm key for ever.
func TestRemovedKeysOfAnOldInstallStayRemoved(t *testing.T) {
	const perm, temp = 41, 51
	remove := map[string]func(ctx context.Context, d *Dao) error{
		"dropped": func(ctx context.Context, d *Dao) error {
			_, err := d.DropTempKeys(ctx, perm, nil)
			return err
		},
		"with its perm key": func(ctx context.Context, d *Dao) error {
			_, err := d.DestroyKey(ctx, perm)
			return err
		},
		"by itself": func(ctx context.Context, d *Dao) error {
			_, err := d.DestroyKey(ctx, temp)
			return err
		},
	}
	setUp := func(t *testing.T) (s *store, d *Dao, network *tcpproxy.Proxy) {
		s = newStore(t)
		network = tcpproxy.Start(t, s.mini.Addr())
		d = s.open(s.dsn, network.Addr())
		s.login(s.nodes[1], 777, perm)
		s.old(temp, "41")
		k, l, err := s.nodes[1].LoginOf(t.Context(), temp)
		require.NoError(t, err)
		require.EqualValues(t, perm, k.PermAuthKeyID)
		require.EqualValues(t, 777, l.BindUser.UserID)
		return s, d, network
	}
	for name, remove := range remove {
		t.Run(name, func(t *testing.T) {
			s, d, _ := setUp(t)
			require.NoError(t, remove(t.Context(), d))
			for _, node := range s.nodes {
				_, err := node.Key(t.Context(), temp)
				require.ErrorIs(t, err, ErrNotFound)
			}
		})
		t.Run(name+", while Redis is away", func(t *testing.T) {
			s, d, network := setUp(t)
			network.Cut()
			require.ErrorIs(t, remove(t.Context(), d), errRemains, "it would come back")
			k, err := s.nodes[1].Key(t.Context(), temp)
			require.NoError(t, err)
			require.EqualValues(t, perm, k.PermAuthKeyID, "nothing is done by half")
		})
	}
}

// Temp keys that are too many for a perm key stay while Redis is away: a bind succeeds.
func TestABindDoesNotWaitForRemains(t *testing.T) {
	s := newStore(t)
	s.key(100, Permanent, 100, 0, 0)
	for id := int64(1000); id < 1000+maxTempKeys; id++ {
		s.key(id, Temporary, 100, 0, now+id)
	}
	s.key(1, Temporary, 0, 0, 0)
	s.key(2, Temporary, 0, 0, 0)
	s.old(1000, "100")
	network := tcpproxy.Start(t, s.mini.Addr())
	d := s.open(s.dsn, network.Addr())
	bind := func(temp int64) {
		_, err := d.BindKey(t.Context(), 100, temp, func(int64) (int64, error) { return now + 5000, nil })
		require.NoError(t, err)
	}
	network.Cut()
	bind(1)
	require.Equal(t, []int64{1000}, s.numbers("SELECT auth_key_id FROM auth_keys WHERE auth_key_id = 1000"))
	network.Restore()
	require.Eventually(t, func() bool { return d.kv.Delete(t.Context(), "nothing") == nil }, time.Minute, 5*time.Millisecond)
	bind(2)
	_, err := s.nodes[1].Key(t.Context(), 1000)
	require.ErrorIs(t, err, ErrNotFound)
	require.EqualValues(t, []int64{maxTempKeys}, s.numbers("SELECT COUNT(*) FROM auth_key_infos WHERE perm_auth_key_id = 100 AND auth_key_id <> 100"))
}

// A key that is destroyed while another node moves it to MySQL is gone.
func TestAKeyThatIsDestroyedWhileItIsMoved(t *testing.T) {
	s := newStore(t)
	s.old(51, "0")
	var armed atomic.Bool
	arrived, goOn := make(chan struct{}), make(chan struct{})
	d := s.through(func(piece []byte) time.Duration {
		if bytes.Contains(piece, []byte("INSERT INTO auth_keys(")) && armed.CompareAndSwap(true, false) {
			close(arrived)
			<-goOn
		}
		return 0
	}, time.Minute)
	armed.Store(true)
	read := make(chan error)
	go func() {
		_, err := d.Key(t.Context(), 51)
		read <- err
	}()
	<-arrived
	_, err := s.nodes[1].DestroyKey(t.Context(), 51)
	require.NoError(t, err)
	close(goOn)
	require.ErrorIs(t, <-read, ErrNotFound)
	_, err = s.nodes[1].Key(t.Context(), 51)
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, []int64{0}, s.numbers("SELECT COUNT(*) FROM auth_keys WHERE auth_key_id = 51"))
}
