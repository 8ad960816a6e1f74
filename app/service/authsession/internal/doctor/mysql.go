package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	schema "github.com/tgsession/tgsession/deploy/sql"
)

const (
	mysqlName = "MySQL"
	dsnKey    = "Mysql.DSN"
	queries   = 20 * time.Second // of a check that reads information_schema of a large server
)

// database is what is asked, by connections that are made as the service makes its
// own.
type database struct {
	config config.Config
	now    func() time.Time
}

func mysqlChecks(c config.Config, now func() time.Time) []doctor.Check {
	d := &database{c, now}
	return []doctor.Check{
		{Name: mysqlName, Run: d.with(d.server)},
		{Name: "MySQL DSN", Run: d.dsn},
		{Name: "MySQL schema", Needs: mysqlName, Within: queries, Run: d.with(d.schema)},
		{Name: "MySQL grants", Needs: mysqlName, Within: queries, Run: d.with(d.grants)},
		{Name: "MySQL settings", Needs: mysqlName, Run: d.with(d.settings)},
		{Name: "MySQL clock", Needs: mysqlName, Run: d.with(d.clock)},
	}
}

// with runs a check on a pool of its own.
func (d *database) with(check func(context.Context, *sql.DB) (doctor.Result, error)) func(context.Context) doctor.Result {
	return func(ctx context.Context) doctor.Result {
		c := d.config.Mysql
		db, err := dao.OpenMysql(ctx, dao.Pool{DSN: c.DSN, Active: 2, Idle: 2, IdleTimeout: c.IdleTimeout}, false)
		if err != nil {
			return doctor.Failed(dsnKey, err)
		}
		defer db.Close()
		r, err := check(ctx, db)
		if err != nil {
			return doctor.Failed(dsnKey, err)
		}
		return r
	}
}

// The oldest that the statements are tested on, or near.
const (
	oldestMySQL   = 5_07
	oldestMariaDB = 10_03
)

// server is the check that it answers, is new enough, and takes writes.
func (d *database) server(ctx context.Context, db *sql.DB) (doctor.Result, error) {
	var version, readOnly string
	if err := db.QueryRowContext(ctx, "SELECT VERSION(), @@global.read_only").Scan(&version, &readOnly); err != nil {
		return doctor.Result{}, err
	}
	return suits(version, readOnly), nil
}

// suits says what of a server does not fit.
func suits(version, readOnly string) doctor.Result {
	r := doctor.Well("%s, takes writes", version)
	oldest, name := oldestMySQL, "MySQL 5.7"
	if strings.Contains(version, "MariaDB") {
		oldest, name = oldestMariaDB, "MariaDB 10.3"
	}
	if v := release(version); v > 0 && v < oldest {
		r.Findings = append(r.Findings, doctor.Finding{Grade: doctor.Warn, Problem: "is " + version + ", older than " + name, Fix: "take a newer release"})
	}
	if readOnly != "0" && !strings.EqualFold(readOnly, "OFF") {
		r.Findings = append(r.Findings, doctor.Finding{
			Grade: doctor.Fault, Key: dsnKey, Fix: "name the primary, or a name that follows it",
			Problem: "only reads (read_only): a replica, or a primary that is being replaced",
		})
	}
	return r
}

// release is major * 100 + minor of a version, 0 if it is none. MariaDB may have
// "5.5.5-" before its own.
func release(version string) int {
	parts := strings.SplitN(strings.TrimPrefix(version, "5.5.5-"), ".", 3)
	if len(parts) < 2 {
		return 0
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return 0
	}
	return major*100 + minor
}

// dsn looks at what only the DSN can say. authsession sets what it needs by itself;
// other services with the same DSN, and a stock authsession, do not.
func (d *database) dsn(context.Context) doctor.Result {
	c, err := mysql.ParseDSN(d.config.Mysql.DSN)
	if err != nil {
		return doctor.Failed(dsnKey, err)
	}
	_, query, _ := strings.Cut(d.config.Mysql.DSN[strings.LastIndexByte(d.config.Mysql.DSN, '/')+1:], "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return doctor.Failed(dsnKey, err)
	}
	var r doctor.Result
	note := func(fix, format string, args ...any) {
		r.Findings = append(r.Findings, doctor.Finding{Grade: doctor.Warn, Key: dsnKey, Fix: fix, Problem: fmt.Sprintf(format, args...)})
	}
	if !c.ParseTime {
		note("add parseTime=true to what follows the ?", "lacks parseTime=true: authsession sets it by itself, others with this DSN may need it")
	}
	if charset := params.Get("charset"); charset != "" && !strings.Contains(charset, "utf8mb4") {
		note("set charset=utf8mb4", "names the character set %s: authsession uses utf8mb4, others with this DSN lose characters that names of devices have", charset)
	}
	if len(r.Findings) > 0 {
		return r
	}
	return doctor.Well("database %s at %s, as %s", c.DBName, c.Addr, c.User)
}

// schema is the check of the tables.
func (d *database) schema(ctx context.Context, db *sql.DB) (doctor.Result, error) {
	lacking := schema.Check(ctx, db)
	if lacking == nil {
		return doctor.Well("up to date"), nil
	}
	err := schema.CheckStock(ctx, db)
	none := (*schema.NoStockTablesError)(nil)
	switch {
	case errors.As(err, &none) && d.config.Mysql.Migrate:
		return doctor.Wrong(doctor.Warn, "", "import the SQL files of your Teamgram release first, if they are still to come; else the start of a node makes the tables", "database %s has none of the tables", none.Database), nil
	case err != nil:
		return doctor.Wrong(doctor.Fault, "", "", "%v", err), nil
	case d.config.Mysql.Migrate:
		return doctor.Wrong(doctor.Warn, "", "run authsession -migrate (with -print it only shows the statements), or start a node of this release, which does it", "not up to date: %v", lacking), nil
	}
	return doctor.Wrong(doctor.Fault, "Mysql.Migrate", "set it to true, or run authsession -migrate", "not up to date: %v", lacking), nil
}

// grants is the check of what the account may do.
func (d *database) grants(ctx context.Context, db *sql.DB) (doctor.Result, error) {
	denied, err := schema.Denied(ctx, db, d.config.Mysql.Migrate)
	if err != nil {
		return doctor.Result{}, err
	}
	c, err := mysql.ParseDSN(d.config.Mysql.DSN)
	if err != nil {
		return doctor.Result{}, err
	}
	give := func(privileges string) string {
		return fmt.Sprintf("GRANT %s ON `%s`.* TO its account, or name another in the DSN", privileges, c.DBName)
	}
	if len(denied) > 0 {
		return doctor.Wrong(doctor.Fault, dsnKey, give("SELECT, INSERT, UPDATE, DELETE"), "user %s is not allowed %s", c.User, byPrivilege(denied)), nil
	}
	if schema.Check(ctx, db) == nil {
		return doctor.Well("enough"), nil
	}
	lacks, err := schema.DeniedChange(ctx, db)
	switch {
	case errors.Is(err, schema.ErrByRole):
		return doctor.Result{Skipped: "whether they are enough to migrate cannot be told: " + err.Error()}, nil
	case err != nil:
		return doctor.Result{}, err
	case len(lacks) > 0 && d.config.Mysql.Migrate:
		return doctor.Wrong(doctor.Fault, "Mysql.Migrate", "run authsession -migrate with an account that may, or "+give(strings.Join(lacks, ", ")),
			"user %s is not allowed %s, and the schema is to be migrated", c.User, strings.Join(lacks, ", ")), nil
	}
	return doctor.Well("enough"), nil
}

// byPrivilege shortens what schema.Denied says: each privilege with the first table
// that it lacks on.
func byPrivilege(denied []string) string {
	var order []string
	tables := map[string][]string{}
	for _, d := range denied {
		privilege, table, _ := strings.Cut(d, " on ")
		if tables[privilege] == nil {
			order = append(order, privilege)
		}
		tables[privilege] = append(tables[privilege], table)
	}
	for i, privilege := range order {
		on := tables[privilege]
		order[i] += " on " + on[0]
		if len(on) > 1 {
			order[i] += fmt.Sprintf(" and %d more tables", len(on)-1)
		}
	}
	return strings.Join(order, ", ")
}

// clock holds MySQL's clock against this host's.
func (d *database) clock(ctx context.Context, db *sql.DB) (doctor.Result, error) {
	return doctor.Clock{Now: d.now, Precision: time.Millisecond}.Compare(ctx, mysqlName, func(ctx context.Context) (time.Time, error) {
		var seconds float64
		err := db.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(3))").Scan(&seconds)
		return time.UnixMilli(int64(seconds * 1000)), err
	})
}
