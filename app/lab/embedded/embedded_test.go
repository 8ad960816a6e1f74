package embedded_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tgsession/tgsession/app/lab/discovery"
	"github.com/tgsession/tgsession/app/lab/embedded"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestRedisKeysExpire(t *testing.T) {
	r, err := embedded.StartRedis()
	require.NoError(t, err)
	defer r.Close()
	c := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer c.Close()
	ctx := context.Background()
	require.NoError(t, c.Set(ctx, "k", "v", 300*time.Millisecond).Err())
	require.Equal(t, "v", c.Get(ctx, "k").Val())
	require.Eventually(t, func() bool { return c.Exists(ctx, "k").Val() == 0 }, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close(), "a second close")
	require.Error(t, c.Ping(ctx).Err())
}

func TestMySQLHasTheSchema(t *testing.T) {
	ctx := context.Background()
	m, err := embedded.StartMySQL(ctx, append([]string{
		"CREATE TABLE a (id bigint NOT NULL AUTO_INCREMENT, k bigint NOT NULL, v varchar(64) NOT NULL DEFAULT '', PRIMARY KEY (id), UNIQUE KEY k (k)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
	}, schema.Statements()...))
	require.NoError(t, err)
	defer m.Close()
	db, err := sql.Open("mysql", m.DSN())
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for want := int64(1); want <= 2; want++ { // 1 inserted, 2 updated
		res, err := db.ExecContext(ctx, "INSERT INTO a (k, v) VALUES (?, ?) ON DUPLICATE KEY UPDATE v = VALUES(v)", 7, want)
		require.NoError(t, err)
		n, err := res.RowsAffected()
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	var n int
	require.NoError(t, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM auth_keys").Scan(&n))
	require.Zero(t, n)
	require.NoError(t, schema.Check(ctx, db))
	require.NoError(t, db.Close())
	require.NoError(t, m.Close())
	require.NoError(t, m.Close(), "a second close")
}

func TestMySQLRefusesABrokenSchema(t *testing.T) {
	_, err := embedded.StartMySQL(context.Background(), []string{"CREATE TABEL a (id bigint)"})
	require.Error(t, err)
}

func TestEtcdPublishesAndForgets(t *testing.T) {
	ctx := context.Background()
	e, err := embedded.StartEtcd(ctx, t.TempDir())
	require.NoError(t, err)
	defer e.Close()

	c, err := discovery.Dial(ctx, []string{e.Addr()})
	require.NoError(t, err)
	defer c.Close()
	seen := make(chan []string, 16)
	require.NoError(t, c.Watch(ctx, "a.service", func(v []string) { seen <- v }))
	require.Empty(t, next(t, seen))

	one, err := c.Publish(ctx, "a.service", "10.0.0.1:1")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1"}, next(t, seen))
	two, err := c.Publish(ctx, "a.service", "10.0.0.2:1")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1:1", "10.0.0.2:1"}, next(t, seen))
	_, err = c.Publish(ctx, "a.service2", "10.0.0.3:1")
	require.NoError(t, err, "a key that only begins alike is another service")
	one()
	one()
	require.Equal(t, []string{"10.0.0.2:1"}, next(t, seen))
	two()
	require.Empty(t, next(t, seen))

	got, err := c.Values(ctx, "a.service2")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.3:1"}, got)
}

func TestEtcdUnreachable(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := discovery.Dial(ctx, []string{"127.0.0.1:1"})
	require.Error(t, err)
}

func next(t *testing.T, seen <-chan []string) []string {
	t.Helper()
	select {
	case v := <-seen:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("no change seen")
		return nil
	}
}
