package site

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/app/lab/chaos/part"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// database is the name of the database of a run.
const database = "chaos"

// etcdMembers is how many there are: one may go.
const etcdMembers = 3

// servers are MariaDB, Redis and etcd. A part is nil where a named server is
// used that this process has not started.
type servers struct {
	mariadb, redis *part.Part
	etcd           []*part.Part

	dsn       *mysql.Config
	redisAddr string
	etcdAddrs []string
}

// startServers starts what is installed.
func (s *Site) startServers(ctx context.Context) error {
	for _, start := range []func(context.Context) error{s.startMariaDB, s.startRedis, s.startEtcd} {
		if err := start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) startMariaDB(ctx context.Context) (err error) {
	if !installed("mariadbd") {
		s.skip("no mariadbd is installed: "+s.cfg.MySQL+" is used", mariadbFaults...)
		s.servers.dsn, err = mysql.ParseDSN(s.cfg.MySQL)
		if err != nil {
			return fmt.Errorf("site: the DSN of MariaDB: %w", err)
		}
	} else {
		if err := s.ownMariaDB(ctx); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("%s_%d", database, os.Getpid())
	server := s.servers.dsn.Clone()
	server.DBName = ""
	db, err := sql.Open("mysql", server.FormatDSN())
	if err != nil {
		return fmt.Errorf("site: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	s.servers.dsn.DBName = name
	if s.servers.mariadb == nil {
		s.onClose(func() { dropDatabase(server.FormatDSN(), name) })
	}
	return nil
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// dropDatabase leaves nothing behind at a server that is not the run's.
func dropDatabase(dsn, name string) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return
	}
	defer db.Close()
	_, _ = db.Exec("DROP DATABASE " + name)
}

// ownMariaDB starts one with a folder of its own for temporary tables. A MariaDB that
// starts deletes all of them that it finds in its tmpdir, which is /tmp for each by
// default: another that started meanwhile would break the making of this one.
func (s *Site) ownMariaDB(ctx context.Context) error {
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("site: %w", err)
	}
	data, tmp := s.path("mariadb"), s.path("mariadb-tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	install := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
		"--skip-test-db", "--datadir="+data, "--tmpdir="+tmp, "--user="+me.Username)
	if out, err := install.CombinedOutput(); err != nil {
		said, _, _ := strings.Cut(string(out), "\nThe problem could be") // the advice that follows is long
		return fmt.Errorf("site: mariadb-install-db: %w\n%s", err, said)
	}
	addr, err := proc.FreeAddr()
	if err != nil {
		return err
	}
	s.servers.dsn = mysql.NewConfig()
	s.servers.dsn.User, s.servers.dsn.Net, s.servers.dsn.Addr, s.servers.dsn.ParseTime = "root", "tcp", addr, true
	s.servers.dsn.Params = map[string]string{"charset": "utf8mb4"}
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	p := part.New(proc.Spec{Name: "mariadb", Output: s.log("mariadb.out"), Args: []string{
		"mariadbd", "--no-defaults", "--user=" + me.Username, "--datadir=" + data, "--tmpdir=" + tmp, "--socket=" + filepath.Join(data, "socket"),
		"--pid-file=" + filepath.Join(data, "pid"), "--bind-address=127.0.0.1", "--port=" + port,
		"--max-connections=500", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci",
	}}, addr, part.Until(func(ctx context.Context) error {
		server := s.servers.dsn.Clone()
		server.DBName = ""
		db, err := sql.Open("mysql", server.FormatDSN())
		if err != nil {
			return err
		}
		defer db.Close()
		return db.PingContext(ctx)
	}))
	s.servers.mariadb = s.own(p)
	return p.Start(ctx)
}

// startRedis starts one that keeps on disk what it has answered for, as one
// that holds salts should.
func (s *Site) startRedis(ctx context.Context) error {
	if !installed("redis-server") {
		s.servers.redisAddr = s.cfg.Redis
		s.skip("no redis-server is installed: "+s.cfg.Redis+" is used", redisFaults...)
		return nil
	}
	addr, err := proc.FreeAddr()
	if err != nil {
		return err
	}
	data := s.path("redis")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	spec := proc.Spec{Name: "redis", Output: s.log("redis.out"), Args: []string{
		"redis-server", "--port", addr[strings.LastIndexByte(addr, ':')+1:], "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "yes", "--dir", data, "--daemonize", "no",
	}}
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	s.onClose(func() { _ = client.Close() })
	p := part.New(spec, addr, part.Until(func(ctx context.Context) error { return client.Ping(ctx).Err() }))
	s.servers.redis, s.servers.redisAddr = s.own(p), addr
	return p.Start(ctx)
}

// startEtcd starts three members.
func (s *Site) startEtcd(ctx context.Context) error {
	if s.cfg.EtcdProgram == "" {
		s.servers.etcdAddrs = s.cfg.Etcd
		s.skip("no program of etcd is named: "+strings.Join(s.cfg.Etcd, ", ")+" is used", etcdFaults...)
		return nil
	}
	var cluster []string
	peers := make([]string, etcdMembers)
	for i := range etcdMembers {
		addr, err := proc.FreeAddr()
		if err != nil {
			return err
		}
		if peers[i], err = proc.FreeAddr(); err != nil {
			return err
		}
		s.servers.etcdAddrs = append(s.servers.etcdAddrs, addr)
		cluster = append(cluster, fmt.Sprintf("%s=http://%s", member(i), peers[i]))
	}
	errs := make(chan error, etcdMembers)
	for i, addr := range s.servers.etcdAddrs {
		p := part.New(proc.Spec{Name: member(i), Output: s.log(member(i) + ".out"), Args: []string{
			s.cfg.EtcdProgram, "--name", member(i), "--data-dir", s.path(member(i)), "--log-level", "warn",
			"--listen-client-urls", "http://" + addr, "--advertise-client-urls", "http://" + addr,
			"--listen-peer-urls", "http://" + peers[i], "--initial-advertise-peer-urls", "http://" + peers[i],
			"--initial-cluster", strings.Join(cluster, ","),
		}}, addr, part.Until(func(ctx context.Context) error { _, err := leads(ctx, addr); return err }))
		s.servers.etcd = append(s.servers.etcd, s.own(p))
		go func() { errs <- p.Start(ctx) }() // one alone does not serve
	}
	var all []error
	for range etcdMembers {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func member(i int) string { return fmt.Sprint("etcd-", i+1) }

// leads tells whether the member at addr is the leader; an error says that it
// knows of none.
func leads(ctx context.Context, addr string) (bool, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, DialTimeout: time.Second, Logger: zap.NewNop()})
	if err != nil {
		return false, err
	}
	defer c.Close()
	if _, err := c.Get(ctx, "/", clientv3.WithCountOnly()); err != nil {
		return false, err
	}
	st, err := c.Status(ctx, addr)
	if err != nil {
		return false, err
	}
	if st.Leader == 0 {
		return false, errors.New("there is no leader")
	}
	return st.Leader == st.Header.MemberId, nil
}

// leader is the member of etcd that leads.
func (s *Site) leader(ctx context.Context) (*part.Part, error) {
	for _, p := range s.servers.etcd {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		is, err := leads(short, p.Addr)
		cancel()
		if err == nil && is {
			return p, nil
		}
	}
	return nil, errors.New("site: no member of etcd says that it leads")
}
