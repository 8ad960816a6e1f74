package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tgsession/tgsession/app/internal/doctor"
)

// settings is the check of what a session of the service has: of the server's
// variables, or of the DSN, which may set them.
func (d *database) settings(ctx context.Context, db *sql.DB) (doctor.Result, error) {
	have, err := variables(ctx, db, "sql_mode", "time_zone", "transaction_isolation", "tx_isolation", "log_bin", "binlog_format", "wsrep_on", "wsrep_sync_wait")
	if err != nil {
		return doctor.Result{}, err
	}
	r := doctor.Well("sql_mode %s; time zone %s", have["sql_mode"], have["time_zone"])
	note := func(grade doctor.Grade, fix, format string, args ...any) {
		r.Findings = append(r.Findings, doctor.Finding{Grade: grade, Key: dsnKey, Fix: fix, Problem: fmt.Sprintf(format, args...)})
	}
	modes := strings.Split(have["sql_mode"], ",")
	if slices.Contains(modes, "EMPTY_STRING_IS_NULL") {
		note(doctor.Fault, "take it out of the server's sql_mode", "sql_mode has EMPTY_STRING_IS_NULL: what is empty cannot be stored")
	}
	if !slices.Contains(modes, "STRICT_TRANS_TABLES") && !slices.Contains(modes, "STRICT_ALL_TABLES") {
		note(doctor.Warn, "add STRICT_TRANS_TABLES to the server's sql_mode, or take sql_mode out of the DSN", "sql_mode is not strict: what does not fit is cut, and nobody is told")
	}
	isolation := have["transaction_isolation"] + have["tx_isolation"]
	if strings.Contains(isolation, "READ-UNCOMMITTED") {
		note(doctor.Fault, "take it out of the DSN, or set the server's transaction_isolation to REPEATABLE-READ", "transactions are READ-UNCOMMITTED: what was never done would be read, and go into the cache")
	}
	if have["log_bin"] == "ON" && have["binlog_format"] == "STATEMENT" {
		note(doctor.Warn, "set the server's binlog_format to ROW or MIXED", "binlog_format is STATEMENT: migrations need ROW or MIXED")
	}
	if have["wsrep_on"] == "ON" && have["wsrep_sync_wait"] != "7" {
		note(doctor.Warn, "take wsrep_sync_wait out, or set it to 7", "wsrep_sync_wait is %s: a node of Galera answers before it has what others have committed", have["wsrep_sync_wait"])
	}
	zone, err := d.zone(ctx, db)
	if err != nil {
		return doctor.Result{}, err
	}
	r.Findings = append(r.Findings, zone...)
	return r, nil
}

// zone compares the session's time zone with the one by which the driver reads
// times.
func (d *database) zone(ctx context.Context, db *sql.DB) ([]doctor.Finding, error) {
	var seconds int
	if err := db.QueryRowContext(ctx, "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())").Scan(&seconds); err != nil {
		return nil, err
	}
	c, err := mysql.ParseDSN(d.config.Mysql.DSN)
	if err != nil {
		return nil, err
	}
	_, offset := d.now().In(c.Loc).Zone()
	theirs, ours := time.Duration(seconds)*time.Second, time.Duration(offset)*time.Second
	if (theirs - ours).Abs() < time.Minute {
		return nil, nil
	}
	return []doctor.Finding{{
		Grade: doctor.Warn, Key: dsnKey, Fix: "set loc to the server's time zone, for example loc=Local or loc=Asia%2FShanghai, or time_zone=%27%2B00%3A00%27",
		Problem: fmt.Sprintf("the session's time zone is %v from UTC, and the DSN's loc (%s) is %v from it: dates of rows (created_at, updated_at) are read wrong by who reads them as times, as stock services do", theirs, c.Loc, ours),
	}}, nil
}

// variables are those of the session; one that the server does not have is not
// there.
func variables(ctx context.Context, db *sql.DB, names ...string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, "SHOW VARIABLES WHERE Variable_name IN ('"+strings.Join(names, "','")+"')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	have := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		have[name] = value
	}
	return have, rows.Err()
}
