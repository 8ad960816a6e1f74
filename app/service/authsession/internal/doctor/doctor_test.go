package doctor

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/internal/etcdtest"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
)

func TestMain(m *testing.M) {
	logx.Disable()
	m.Run()
}

// site is what an authsession stands on.
type site struct {
	t          *testing.T
	etcd       *etcdtest.Etcd
	key        string // of authsession in etcd
	session    string // and of session
	dsn        string
	cache, kv  string
	more       string // lines of authsession.yaml
	mysqlMore  string // and of its Mysql
	cacheMore  string
	clockAhead time.Duration // of this host
}

func newSite(t *testing.T) *site {
	s := &site{t: t, etcd: etcdtest.Dial(t), dsn: testenv.DSN(t, true), cache: testenv.Variable(t, "TEST_REDIS_ADDR")}
	s.kv = s.cache
	s.param("time_zone", "'+00:00'")
	s.key, s.session = s.etcd.Key("authsession"), s.etcd.Key("session")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := grpc.NewServer()
	authsession.RegisterRPCAuthsessionServer(g, authsession.UnimplementedRPCAuthsessionServer{})
	authsession.RegisterRPCSessionManagerServer(g, authsession.UnimplementedRPCSessionManagerServer{})
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	s.etcd.Set(s.key+"/1", l.Addr().String())
	s.etcd.Set(s.session+"/1", testenv.NewSessionNode(t).Address)
	return s
}

// param sets a parameter of the DSN.
func (s *site) param(name, value string) {
	s.change(func(c *mysql.Config) {
		if c.Params == nil {
			c.Params = map[string]string{}
		}
		c.Params[name] = value
	})
}

func (s *site) change(f func(*mysql.Config)) {
	c, err := mysql.ParseDSN(s.dsn)
	require.NoError(s.t, err)
	f(c)
	s.dsn = c.FormatDSN()
}

func (s *site) exec(statement string, args ...any) {
	s.t.Helper()
	_, err := testenv.Open(s.t, s.dsn).Exec(statement, args...)
	require.NoError(s.t, err)
}

// account takes an account of its own, with privileges on the database.
func (s *site) account(privileges string) {
	c, err := mysql.ParseDSN(s.dsn)
	require.NoError(s.t, err)
	user := "d" + c.DBName[len(c.DBName)-12:]
	root := testenv.Open(s.t, s.dsn)
	exec := func(statement string) {
		_, err := root.Exec(statement)
		require.NoError(s.t, err, statement)
	}
	exec("CREATE USER " + user + " IDENTIFIED BY 'Secret-1'")
	s.t.Cleanup(func() {
		again, err := sql.Open("mysql", os.Getenv("TEST_MYSQL_DSN"))
		require.NoError(s.t, err)
		defer again.Close()
		_, err = again.Exec("DROP USER " + user)
		require.NoError(s.t, err)
	})
	exec(fmt.Sprintf("GRANT %s ON `%s`.* TO %s", privileges, c.DBName, user))
	s.change(func(c *mysql.Config) { c.User, c.Passwd = user, "Secret-1" })
}

func (s *site) lines() []doctor.Line {
	s.t.Helper()
	text := fmt.Sprintf(`Name: service.authsession
ListenOn: 127.0.0.1:20450
Etcd: {Hosts: [%s], Key: %s}
Mysql:
  DSN: %q
%sCache:
  - Host: %s
%sKV:
  - Host: %s
SessionNodes:
  Etcd: {Hosts: [%[1]s], Key: %[8]s}
%[9]s`, etcdtest.Hosts(s.t)[0], s.key, s.dsn, s.mysqlMore, s.cache, s.cacheMore, s.kv, s.session, s.more)
	path := filepath.Join(s.t.TempDir(), "authsession.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	now := func() time.Time { return time.Now().Add(s.clockAhead) }
	return doctor.Run(s.t.Context(), path, Checks(path, now), func(doctor.Line) {}).Checks
}

func complaints(list []doctor.Line) (out []doctor.Line) {
	for _, l := range list {
		if l.Grade != doctor.OK {
			out = append(out, l)
		}
	}
	return out
}

func TestAHealthyService(t *testing.T) {
	s := newSite(t)
	list := s.lines()
	require.Empty(t, complaints(list))
	var names []string
	for _, l := range list {
		names = append(names, strings.TrimRight(l.Check, "0123456789.:"))
	}
	require.Equal(t, []string{
		"config", "etcd ", "MySQL", "MySQL DSN", "MySQL schema", "MySQL grants", "MySQL settings", "MySQL clock",
		"Redis " + s.cache + " (Cache, KV)", "authsession", "authsession ", "session", "session ",
	}, names)
	t.Run("its account may do no more than it needs", func(t *testing.T) {
		s := newSite(t)
		s.account("SELECT, INSERT, UPDATE, DELETE")
		require.Empty(t, complaints(s.lines()))
	})
}

// Each thing that may be wrong is found where it is, with the line to change.
func TestWhatIsWrong(t *testing.T) {
	unmigrated := func(s *site) { s.exec("ALTER TABLE auth_users DROP COLUMN revoked_at") }
	for _, tc := range []struct {
		name  string
		wrong func(s *site)
		grade doctor.Grade
		text  string
		key   string
		fix   string
	}{
		{"a wrong etcd key", func(s *site) { s.session += "x" }, doctor.Warn, "nobody is registered under test.session", "SessionNodes.Etcd.Key", "or set test.session."},
		{"a dead node that is registered", func(s *site) { s.etcd.Set(s.key+"/2", freeport.Address(s.t)) }, doctor.Fault, "is registered without a lease", "", "etcdctl del test.authsession."},
		{"a DSN without a database", func(s *site) { s.change(func(c *mysql.Config) { c.DBName = "" }) }, doctor.Fault, "Mysql.DSN names no database", "Mysql.DSN", "add it after the address"},
		{"a DSN without parseTime", func(s *site) { s.change(func(c *mysql.Config) { c.ParseTime = false }) }, doctor.Warn, "lacks parseTime=true", "Mysql.DSN", "add parseTime=true"},
		{"a DSN with a poor character set", func(s *site) { s.dsn = strings.Replace(s.dsn, "utf8mb4", "latin1", 1) }, doctor.Warn, "names the character set latin1", "Mysql.DSN", "set charset=utf8mb4"},
		{"MySQL is away", func(s *site) { s.change(func(c *mysql.Config) { c.Addr = freeport.Address(s.t) }) }, doctor.Fault, "cannot be used", "Mysql.DSN", ""},
		{"a schema that is not migrated", unmigrated, doctor.Warn, "not up to date: table auth_users lacks the column revoked_at", "", "run authsession -migrate"},
		{"a schema that nobody migrates", func(s *site) { unmigrated(s); s.mysqlMore = "  Migrate: false\n" }, doctor.Fault, "not up to date", "Mysql.Migrate", "set it to true"},
		{"an empty database", func(s *site) {
			c, err := mysql.ParseDSN(testenv.DSN(s.t, false))
			require.NoError(s.t, err)
			s.change(func(mine *mysql.Config) { mine.DBName = c.DBName })
		}, doctor.Warn, "has none of the tables", "", "import the SQL files"},
		{"the database of an older release", func(s *site) { s.exec("ALTER TABLE auths DROP COLUMN proxy") }, doctor.Fault, "is that of an older Teamgram release", "", ""},
		{"a grant that is missing", func(s *site) { s.account("SELECT, INSERT, UPDATE") }, doctor.Fault, "is not allowed DELETE on auth_keys and 16 more tables", "Mysql.DSN", "GRANT SELECT, INSERT, UPDATE, DELETE"},
		{"a grant that migrations need", func(s *site) { unmigrated(s); s.account("SELECT, INSERT, UPDATE, DELETE") }, doctor.Fault, "is not allowed ALTER, CREATE, and the schema is to be migrated", "Mysql.Migrate", "with an account that may"},
		{"no strict mode", func(s *site) { s.param("sql_mode", "''") }, doctor.Warn, "sql_mode is not strict", "Mysql.DSN", ""},
		{"transactions that see what was never done", func(s *site) { s.param("tx_isolation", "'READ-UNCOMMITTED'") }, doctor.Fault, "READ-UNCOMMITTED", "Mysql.DSN", ""},
		{"another time zone than the DSN says", func(s *site) { s.param("time_zone", "'+03:00'") }, doctor.Warn, "time zone is 3h0m0s from UTC, and the DSN's loc (UTC) is 0s", "Mysql.DSN", "set loc"},
		{"MySQL's clock 40 s apart", func(s *site) { s.clockAhead = 40 * time.Second }, doctor.Fault, "the clock of MySQL is at least 40s behind", "", "NTP"},
		{"Redis' clock 40 s apart", func(s *site) { s.clockAhead = -40 * time.Second }, doctor.Fault, "the clock of this Redis is at least 40s ahead", "", "NTP"},
		{"a Redis node that is away", func(s *site) { s.kv = freeport.Address(s.t) }, doctor.Fault, "does not answer", "KV[0].Host", "start it"},
		{"a Redis that is no cluster", func(s *site) { s.cacheMore = "    Type: cluster\n" }, doctor.Fault, "is no", "Cache[0].Type", "set Type: node"},
		{"a Redis that is a cluster", func(s *site) { s.cache = testenv.StartRedis(s.t, "--cluster-enabled", "yes").Address }, doctor.Fault, "is a node of a Redis Cluster", "Cache[0].Type", "set Type: cluster"},
		{"a Redis that wants a password", func(s *site) {
			r := testenv.StartRedis(s.t)
			r.Do("CONFIG", "SET", "requirepass", "x")
			s.cache = r.Address
		}, doctor.Fault, "refuses the account", "Cache[0].Pass", "correct it"},
		{"a Redis that allows no INFO", func(s *site) {
			r := testenv.StartRedis(s.t)
			r.Do("ACL", "SETUSER", "default", "-info")
			s.cache = r.Address
		}, doctor.Warn, "does not allow INFO", "Cache[0].User", "+info"},
		{"a replica for Redis", func(s *site) {
			primary, replica := testenv.StartRedis(s.t), testenv.StartRedis(s.t)
			replica.Follow(primary)
			s.cache = replica.Address
		}, doctor.Fault, "is a replica", "Cache[0].Host", "name the primary"},
		{"a Redis that cannot write its dump", func(s *site) {
			r := testenv.StartRedis(s.t)
			r.BreakDump()
			s.cache = r.Address
		}, doctor.Fault, "could not write its dump, and takes no writes", "Cache[0].Host", "see its log"},
		{"one that takes writes all the same", func(s *site) {
			r := testenv.StartRedis(s.t, "--stop-writes-on-bgsave-error", "no")
			r.BreakDump()
			s.cache = r.Address
		}, doctor.Warn, "could not write its last dump", "Cache[0].Host", "see its log"},
		{"a cache that takes no more when it is full", func(s *site) { s.cache = testenv.StartRedis(s.t, "--maxmemory", "64mb").Address }, doctor.Warn, "takes no writes once it is full", "Cache[0].Host", "volatile-lru"},
		{"a Redis that throws the stream of events away", func(s *site) {
			s.kv = testenv.StartRedis(s.t, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru").Address
			s.more = "Events: {Stream: session-events}\n"
		}, doctor.Warn, "may throw the stream of events away", "KV[0].Host", "volatile-lru"},
		{"a key that has no effect", func(s *site) { s.mysqlMore = "  ReadDSN: [x]\n" }, doctor.Warn, "Mysql.ReadDSN has no effect", "Mysql.ReadDSN", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			tc.wrong(s)
			list := complaints(s.lines())
			var texts []string
			for _, l := range list {
				texts = append(texts, fmt.Sprintf("%+v", l))
				require.NotContains(t, l.Text+l.Fix, "Secret-1")
				if l.Grade == tc.grade && strings.Contains(l.Text, tc.text) {
					require.Equal(t, tc.key, l.Key)
					require.Equal(t, tc.key != "", l.AtLine > 0)
					require.Contains(t, l.Fix, tc.fix)
					return
				}
			}
			t.Fatalf("not found: %s", strings.Join(texts, "\n"))
		})
	}
}

func TestAServer(t *testing.T) {
	for _, tc := range []struct {
		version, readOnly string
		grade             doctor.Grade
		text              string
	}{
		{"10.11.19-MariaDB-0+deb12u1", "0", "", ""},
		{"9.7.4", "OFF", "", ""},
		{"8.0.36", "1", doctor.Fault, "only reads"},
		{"12.0.1-MariaDB", "ON", doctor.Fault, "only reads"},
		{"5.6.51-log", "0", doctor.Warn, "older than MySQL 5.7"},
		{"5.5.5-10.2.1-MariaDB", "0", doctor.Warn, "older than MariaDB 10.3"},
	} {
		t.Run(tc.version, func(t *testing.T) {
			list := suits(tc.version, tc.readOnly).Findings
			if tc.grade == "" {
				require.Empty(t, list)
				return
			}
			require.Len(t, list, 1)
			require.Equal(t, tc.grade, list[0].Grade)
			require.Contains(t, list[0].Problem, tc.text)
		})
	}
}

func TestRelease(t *testing.T) {
	for version, want := range map[string]int{
		"8.0.36": 8_00, "5.7.44-log": 5_07, "10.11.19-MariaDB-0+deb12u1": 10_11, "5.5.5-10.2.1-MariaDB": 10_02, "9.7.4": 9_07, "x": 0, "a.b.c": 0, "": 0,
	} {
		require.Equal(t, want, release(version), version)
	}
}
