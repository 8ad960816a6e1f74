package testenv

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// Plans is a database that asks the server how it carries out each statement,
// with the arguments it comes with, before it does.
type Plans struct {
	DB *sql.DB

	t       testing.TB
	explain *sql.DB

	mu    sync.Mutex
	sites map[Site]bool
	seen  map[string]int // plans asked for, by the statement's shape
	bad   map[string]string
}

// Site is a line of code that is on the stack when a statement is run.
type Site struct {
	File string // from "internal/" on, however the binary was built
	Line int
}

// SiteFile is path as a Site has it: -trimpath takes the checkout's folder away.
func SiteFile(path string) string {
	const service = "app/service/authsession/"
	if i := strings.LastIndex(filepath.ToSlash(path), service); i >= 0 {
		return filepath.ToSlash(path)[i+len(service):]
	}
	return path
}

// OpenPlans opens the database of dsn that way.
func OpenPlans(t testing.TB, dsn string) *Plans {
	t.Helper()
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	c.InterpolateParams = true // so that statements come with their arguments
	inner, err := mysql.NewConnector(c)
	require.NoError(t, err)
	p := &Plans{t: t, explain: sql.OpenDB(inner), sites: map[Site]bool{}, seen: map[string]int{}, bad: map[string]string{}}
	p.DB = sql.OpenDB(connector{inner, p})
	t.Cleanup(func() { p.explain.Close() })
	return p
}

// Sites are the lines of code that were seen at work.
func (p *Plans) Sites() map[Site]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sites
}

// Statements is how many different ones were explained.
func (p *Plans) Statements() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

// Saw reports whether a statement was run.
func (p *Plans) Saw(statement string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[shape(statement)] > 0
}

// Runs is how often statements were run.
func (p *Plans) Runs() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.seen {
		n += times
	}
	return n
}

// Bad are the statements that read a table or an index from end to end, sort much,
// or make a temporary table, and how.
func (p *Plans) Bad() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bad
}

const (
	plansOfAShape = 20   // arguments differ
	manyRows      = 1000 // to scan or to sort; a page's window is looked up in an index
	window        = 6000
	// debts holds what is to be done in a moment, and more on a busy machine: a list of ids
	// names many of its rows, and then reading all of them is the best plan.
	debts     = "auth_cache_releases"
	manyNamed = 16 // of so many rows a list names one
)

var (
	lists     = regexp.MustCompile(`\?(,\s*\?)+`)
	cases     = regexp.MustCompile(`( WHEN \? THEN \?)+`)
	tuples    = regexp.MustCompile(`\(\.\.\.\)(, \(\.\.\.\))+`)
	locking   = regexp.MustCompile(` (FOR UPDATE|LOCK IN SHARE MODE)$`)
	plannable = regexp.MustCompile(`(?i)^\s*(SELECT|UPDATE|DELETE)\b`)
)

// shape is a statement without what differs from call to call.
func shape(query string) string {
	query = cases.ReplaceAllString(lists.ReplaceAllString(query, "..."), " WHEN ...")
	return tuples.ReplaceAllString(query, "(...)")
}

func (p *Plans) note(query string, args []driver.NamedValue) {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	p.mu.Lock()
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		p.sites[Site{SiteFile(f.File), f.Line}] = true
	}
	s := shape(query)
	p.seen[s]++
	enough := p.seen[s] > plansOfAShape
	p.mu.Unlock()
	if enough || !plannable.MatchString(query) {
		return
	}
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	if problem := p.judge(query, values); problem != "" {
		p.mu.Lock()
		p.bad[s] = problem
		p.mu.Unlock()
	}
}

// judge returns what is wrong with a statement's plan.
func (p *Plans) judge(query string, args []any) (problem string) {
	// A row found by a unique key is read for its plan, and waited for.
	rows, err := p.explain.Query("EXPLAIN FORMAT=TRADITIONAL "+locking.ReplaceAllString(query, ""), args...)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err.Error()
	}
	for rows.Next() {
		values, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			return err.Error()
		}
		plan := map[string]string{}
		for i, name := range columns {
			plan[strings.ToLower(name)] = values[i].String
		}
		if strings.HasPrefix(plan["table"], "<") { // made for the statement, as of a long list
			continue
		}
		var n int
		_, _ = fmt.Sscan(plan["rows"], &n) // none where there is no table
		sorts, copies := strings.Contains(plan["extra"], "filesort"), strings.Contains(plan["extra"], "temporary")
		if copies || plan["type"] == "ALL" && n > 1 && (plan["table"] != debts || n > max(manyRows, manyNamed*len(args))) || plan["type"] == "index" && n > window || sorts && n > manyRows {
			problem += fmt.Sprintf("table %s: type %s, key %s, %d rows, %s; ", plan["table"], plan["type"], plan["key"], n, plan["extra"])
		}
	}
	if err := rows.Err(); err != nil {
		return err.Error()
	}
	return problem
}

type connector struct {
	driver.Connector
	plans *Plans
}

// conn is what go-sql-driver's connections can do.
type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return notingConn{inner.(conn), c.plans}, nil
}

type notingConn struct {
	conn
	plans *Plans
}

func (c notingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.plans.note(query, args)
	return c.conn.QueryContext(ctx, query, args)
}

func (c notingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.plans.note(query, args)
	return c.conn.ExecContext(ctx, query, args)
}
