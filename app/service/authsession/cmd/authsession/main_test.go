package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/app/internal/freeport"
	authsessionservice "github.com/tgsession/tgsession/app/service/authsession"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func newKey(t *testing.T) crypto.AuthKey {
	var k crypto.Key
	_, err := crypto.DefaultRand().Read(k[:])
	require.NoError(t, err)
	return k.WithID()
}

func setKey(k crypto.AuthKey) *authsession.TLAuthsessionSetAuthKey {
	return &authsession.TLAuthsessionSetAuthKey{AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: k.IntID(), AuthKey: k.Value[:]}}
}

func TestFlags(t *testing.T) {
	p := start(t, "-version")
	code, _ := p.exit(5 * time.Second)
	require.Zero(t, code)
	require.Contains(t, p.output(), "authsession ")

	for _, word := range []string{"help", "-help", "--help", "-h"} { // help that was asked for is output, not an error
		cmd := exec.Command(os.Args[0], word)
		cmd.Env = append(os.Environ(), childVariable+"=1")
		text, err := cmd.Output()
		require.NoError(t, err, word)
		for _, flag := range []string{"-f", "-mmdb", "-version", "-migrate"} {
			require.Contains(t, string(text), "  "+flag)
		}
	}
	p = start(t, "surplus")
	code, _ = p.exit(5 * time.Second)
	require.Equal(t, 2, code)
}

// The file that operators start from names no key that is not known.
func TestTheShippedFileLoads(t *testing.T) {
	var c authsessionservice.Config
	warnings, err := conf.Load("../../../../../teamgramd/etc/authsession.yaml", &c)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.True(t, c.Mysql.Migrate)
}

func TestMigrateFlag(t *testing.T) {
	v := values(t, testenv.DSN(t, false))
	path := file(t, "stock-app.yaml", v)
	for _, step := range []struct{ flag, want string }{
		{"-migrate", "import the SQL files of your Teamgram release first"}, // there are none of its tables
		{"-migrate -create", "applied 00001_stock_tables.sql\n"},
		{"-migrate", "the schema is up to date\n"},
		{"-unmigrate", "taken back: 00001_stock_tables.sql\n"},
		{"-migrate", "applied 00002_lifetimes_and_pendings.sql\n"},
	} {
		p := start(t, append([]string{"-f", path}, strings.Fields(step.flag)...)...)
		code, _ := p.exit(20 * time.Second)
		require.Contains(t, p.output(), step.want)
		require.Equal(t, strings.HasPrefix(step.want, "import"), code == 1, p.output())
	}
}

// What a node works on is not taken from under it. Stock nodes may go on.
func TestUnmigrateIsRefusedWhileANodeServes(t *testing.T) {
	v := values(t, testenv.DSN(t, true))
	path := file(t, "stock-app.yaml", v)
	unmigrate := func(flags ...string) (int, string) {
		p := start(t, append([]string{"-f", path, "-unmigrate"}, flags...)...)
		code, _ := p.exit(20 * time.Second)
		return code, p.output()
	}
	node, _ := serveFile(t, path, v)
	code, output := unmigrate()
	require.Equal(t, 1, code, output)
	require.Contains(t, output, v["LISTEN"]+" still serves and needs what would be taken out: stop it first")
	require.NotContains(t, output, "taken back")
	code, output = unmigrate("-force")
	require.Zero(t, code, output)
	require.Contains(t, output, "taken back: 00002")

	require.NoError(t, node.cmd.Process.Signal(syscall.SIGTERM))
	node.exit(10 * time.Second)
	listener, err := net.Listen("tcp", v["LISTEN"])
	require.NoError(t, err)
	stock := grpc.NewServer()
	authsession.RegisterRPCAuthsessionServer(stock, authsession.UnimplementedRPCAuthsessionServer{})
	go func() { _ = stock.Serve(listener) }()
	defer stock.Stop()
	listed, err := discovery.Publish(t.Context(), discov.EtcdConf{Hosts: []string{v["ETCD"]}, Key: v["ETCDKEY"]}, v["LISTEN"], 5*time.Second, nil)
	require.NoError(t, err)
	defer func() { _ = listed.Withdraw(context.Background()) }()
	code, output = unmigrate()
	require.Zero(t, code, output)
}

// A schema that is not up to date, and may not be touched, is said at start.
func TestWithoutMigrateTheSchemaMustBeThere(t *testing.T) {
	v := values(t, testenv.DSN(t, false))
	path := file(t, "stock-app.yaml", v)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	replaced := bytes.Replace(text, []byte("Mysql:\n"), []byte("Mysql:\n  Migrate: false\n"), 1)
	require.NoError(t, os.WriteFile(path, replaced, 0o600))
	p := start(t, "-f", path)
	code, _ := p.exit(10 * time.Second)
	require.Equal(t, 1, code)
	require.Contains(t, p.output(), "run authsession -migrate or set Mysql.Migrate to true")
}

// A call that waits for the database when SIGTERM comes is answered.
func TestACallInFlightIsAnsweredOnSIGTERM(t *testing.T) {
	dsn := testenv.DSN(t, false)
	p, conn := serve(t, "stock-etc.yaml", values(t, dsn))
	client := authsession.NewRPCAuthsessionClient(conn)
	k := newKey(t)
	_, err := client.AuthsessionSetAuthKey(t.Context(), setKey(k))
	require.NoError(t, err)

	db := testenv.Open(t, dsn)
	tx, err := db.Begin()
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() }) // else the database cannot be dropped
	_, err = tx.Exec("UPDATE auth_key_infos SET deleted = 0, updated_at = NOW() WHERE auth_key_id = ?", k.IntID())
	require.NoError(t, err)
	_, err = tx.Exec("SELECT auth_key_id FROM auth_key_infos WHERE auth_key_id = ? FOR UPDATE", k.IntID())
	require.NoError(t, err)
	type answer struct {
		hash *mtproto.Int64
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		h, err := client.AuthsessionBindAuthKeyUser(t.Context(), &authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: k.IntID(), UserId: 777})
		answered <- answer{h, err}
	}()
	require.Eventually(t, func() bool {
		var waiting int
		require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT auth_key_id FROM auth_key_infos%FOR UPDATE' AND db = DATABASE()").Scan(&waiting))
		return waiting > 0
	}, 30*time.Second, 5*time.Millisecond, "the call waits for the row")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		l, err := net.Listen("tcp", p.listen)
		if err == nil {
			l.Close()
		}
		return err == nil
	}, 5*time.Second, 5*time.Millisecond, "the port is closed")
	require.NoError(t, tx.Commit())
	a := <-answered
	require.NoError(t, a.err)
	require.NotZero(t, a.hash.V)
	code, _ := p.exit(10 * time.Second)
	require.Zero(t, code, p.output())
}

// go-zero logs requests, slow and failed statements, and unreadable cache
// values: none of it may show a key.
func TestWeakness13NoKeyInAnyLog(t *testing.T) {
	dsn := testenv.DSN(t, false)
	v := values(t, dsn)
	p, conn := serve(t, "stock-etc.yaml", v)
	client := authsession.NewRPCAuthsessionClient(conn)
	k, temp := newKey(t), newKey(t)
	_, err := client.AuthsessionSetAuthKey(t.Context(), setKey(k))
	require.NoError(t, err)
	in := setKey(temp)
	in.AuthKey.AuthKeyType = 1
	_, err = client.AuthsessionSetAuthKey(t.Context(), in)
	require.NoError(t, err)
	_, err = client.AuthsessionQueryAuthKey(t.Context(), &authsession.TLAuthsessionQueryAuthKey{AuthKeyId: k.IntID()})
	require.NoError(t, err)
	message, err := crypto.EncryptBindMessage(nil, k, 4, &crypto.BindAuthKeyInner{PermAuthKeyID: k.IntID(), TempAuthKeyID: temp.IntID(), ExpiresAt: int(time.Now().Unix() + 100)})
	require.NoError(t, err)
	message[50] ^= 1 // msg_key does not match: stock logs the AES key
	_, err = client.AuthsessionBindTempAuthKey(t.Context(), &authsession.TLAuthsessionBindTempAuthKey{PermAuthKeyId: k.IntID(), ExpiresAt: int32(time.Now().Unix() + 100), EncryptedMessage: message})
	require.ErrorContains(t, err, "ENCRYPTED_MESSAGE_INVALID")
	db := testenv.Open(t, dsn)
	_, err = db.Exec("RENAME TABLE auth_key_infos TO away") // the insert of the key fails after its body was sent
	require.NoError(t, err)
	failing := newKey(t)
	_, err = client.AuthsessionSetAuthKey(t.Context(), setKey(failing))
	require.ErrorContains(t, err, "INTERNAL_SERVER_ERROR")
	_, err = db.Exec("RENAME TABLE auth_keys TO away2")
	require.NoError(t, err)
	_, err = client.AuthsessionSetAuthKey(t.Context(), setKey(failing))
	require.ErrorContains(t, err, "INTERNAL_SERVER_ERROR")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.exit(10 * time.Second)
	out := p.output()
	require.Contains(t, out, "INSERT INTO auth_keys", "statements are in the log")
	for _, key := range []crypto.AuthKey{k, temp, failing} {
		for start := 0; start+30 <= 256; start++ {
			part := key.Value[start : start+30]
			for _, form := range []string{base64.StdEncoding.EncodeToString(part), hex.EncodeToString(part), string(part), strings.Trim(fmt.Sprintf("%d", part[:10]), "[]")} {
				require.NotContains(t, out, form)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	v := values(t, testenv.DSN(t, false))
	_, conn := serve(t, "stock-etc2.yaml", v)
	client := authsession.NewRPCAuthsessionClient(conn)
	k := newKey(t)
	_, err := client.AuthsessionSetAuthKey(t.Context(), setKey(k))
	require.NoError(t, err)
	_, err = client.AuthsessionGetFutureSalts(t.Context(), &authsession.TLAuthsessionGetFutureSalts{AuthKeyId: k.IntID()})
	require.NoError(t, err)
	_, _ = client.AuthsessionBindTempAuthKey(t.Context(), &authsession.TLAuthsessionBindTempAuthKey{})
	answer, err := http.Get("http://127.0.0.1:" + v["PROMETHEUS"] + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	for _, line := range []string{
		`authsession_cache_requests_total{kind="key",result="miss"} 1`,
		`authsession_salts_refills_total{result="stored"} 1`,
		`authsession_temp_key_binds_total{result="refused"} 1`,
	} {
		require.Contains(t, string(text), line)
	}
}

// A place database that is missing or is none leaves places empty.
func TestPlaceDatabaseMayBeMissingOrCorrupt(t *testing.T) {
	corrupt := filepath.Join(t.TempDir(), "corrupt.mmdb")
	require.NoError(t, os.WriteFile(corrupt, []byte("none"), 0o600))
	v := values(t, testenv.DSN(t, true))
	for _, path := range []string{corrupt, "/nowhere/none.mmdb"} {
		v["LISTEN"] = freeport.Address(t)
		p, _ := serve(t, "stock-etc.yaml", v, "-mmdb", path)
		require.Contains(t, p.output(), "GeoIP.Path: "+path+" cannot be used")
	}
}
