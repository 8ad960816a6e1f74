package svc

import (
	"database/sql"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// The pool is measured while its service lives, and a second service in the
// process neither fails nor ends the measuring of the first.
func TestPoolIsMeasured(t *testing.T) {
	pool := func() *sql.DB {
		db, err := sql.Open("mysql", "root@tcp(127.0.0.1:1)/x") // does not connect
		require.NoError(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	limit := func() (found []float64) {
		families, err := prometheus.DefaultGatherer.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() == "go_sql_max_open_connections" {
				for _, m := range f.GetMetric() {
					found = append(found, m.GetGauge().GetValue())
				}
			}
		}
		return found
	}
	first, second := pool(), pool()
	first.SetMaxOpenConns(7)
	stop := measurePool(first)
	measurePool(second)()
	require.Equal(t, []float64{7}, limit())
	stop()
	require.Empty(t, limit())
}
