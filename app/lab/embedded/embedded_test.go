package embedded_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/embedded"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

func TestMain(m *testing.M) {
	leaktest.Strict(m)
}

func TestRedisKeysExpire(t *testing.T) {
	r, err := embedded.StartRedis()
	require.NoError(t, err)
	defer r.Close()
	c := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer c.Close()
	ctx := context.Background()
	require.NoError(t, c.Set(ctx, "stays", "v", 0).Err())
	require.NoError(t, c.Set(ctx, "goes", "v", 300*time.Millisecond).Err())
	require.Eventually(t, func() bool { return c.Exists(ctx, "goes").Val() == 0 }, time.Minute, 20*time.Millisecond)
	require.Equal(t, "v", c.Get(ctx, "stays").Val())
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

func TestEtcdServes(t *testing.T) {
	ctx := context.Background()
	e, err := embedded.StartEtcd(ctx, t.TempDir())
	require.NoError(t, err)
	defer e.Close()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Addr()}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Put(ctx, "k", "v")
	require.NoError(t, err)
	got, err := c.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(got.Kvs[0].Value))

	// go-zero's clients go every minute to where etcd says it is.
	require.NoError(t, c.Sync(ctx))
	require.Equal(t, []string{"http://" + e.Addr()}, c.Endpoints())
	_, err = c.Get(ctx, "k")
	require.NoError(t, err)
}
