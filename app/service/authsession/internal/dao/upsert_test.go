package dao

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// A transaction that writes the row of one device let all others wait that wrote theirs, on
// MySQL: a COMMIT that stalled stopped every client that introduced itself. MariaDB never did
// that; make test-engines runs this on MySQL.
func TestWritesOfDifferentRowsDoNotWait(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	row := func(perm int64) (key, set, only []column) {
		return []column{{"auth_key_id", perm}}, []column{{"layer", time.Now().UnixNano() % 1000}, {"deleted", 0}}, []column{{"api_id", 6}, {"params", "null"}}
	}
	write := func(ctx context.Context, tx sqlx.Session, perm int64) error {
		key, set, only := row(perm)
		return upsert(ctx, tx, "auths", key, set, only)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, perm := range []int64{100, 101, 500} {
		require.NoError(t, write(ctx, sqlx.NewSqlConnFromDB(db), perm))
	}
	for _, pair := range [][2]int64{{100, 101}, {101, 100}, {100, 500}} {
		held, err := db.BeginTx(ctx, nil)
		require.NoError(t, err)
		require.NoError(t, write(ctx, sqlx.NewSessionFromTx(held), pair[0]))
		require.NoError(t, write(ctx, sqlx.NewSqlConnFromDB(db), pair[1]), "%d waits for %d", pair[1], pair[0])
		require.NoError(t, held.Rollback())
	}
}

// A row is made where there is none, with the columns that only a new one has, and is
// written where there is one; that it has these values already is no error.
func TestUpsert(t *testing.T) {
	db := testenv.Open(t, testenv.DSN(t, true))
	conn := sqlx.NewSqlConnFromDB(db)
	stored := func() (layer, app int) {
		require.NoError(t, db.QueryRow("SELECT layer, api_id FROM auths WHERE auth_key_id = 7").Scan(&layer, &app))
		return layer, app
	}
	for _, c := range []struct{ layer, app, wantApp int }{{200, 6, 6}, {200, 8, 6}, {223, 8, 6}} {
		require.NoError(t, upsert(t.Context(), conn, "auths", []column{{"auth_key_id", 7}},
			[]column{{"layer", c.layer}}, []column{{"api_id", c.app}, {"params", "null"}}))
		layer, app := stored()
		require.Equal(t, [2]int{c.layer, c.wantApp}, [2]int{layer, app})
	}
	require.NoError(t, insert(t.Context(), conn, "auths", []column{{"auth_key_id", 7}},
		[]column{{"layer", 145}}, []column{{"api_id", 9}, {"params", "null"}}), "somebody has made it meanwhile")
	layer, app := stored()
	require.Equal(t, [2]int{145, 6}, [2]int{layer, app})
}
