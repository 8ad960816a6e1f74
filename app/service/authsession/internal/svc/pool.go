package svc

import (
	"database/sql"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// measurePool exports what the pool of connections to MySQL is doing, as
// go_sql_*{db_name="mysql"}: go-zero exports pools that it has opened itself, and
// this is not one. Of several services in a process the first is measured. Stop
// ends it.
func measurePool(db *sql.DB) (stop func()) {
	pool := collectors.NewDBStatsCollector(db, "mysql")
	if err := prometheus.Register(pool); err != nil {
		return func() {}
	}
	return func() { prometheus.Unregister(pool) }
}
