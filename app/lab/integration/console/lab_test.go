package console

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the lab's database
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/device"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// lab is a running lab run, known by what it prints.
type lab struct {
	t       *testing.T
	dir     string
	clients string // where they connect
	url     string // of the console
	token   string
	key     *rsa.PublicKey
	db      *sql.DB
}

var (
	printedURL   = regexp.MustCompile(`session console is at (\S+) and`)
	printedToken = regexp.MustCompile(`(?m)^  (eyJ\S+)$`)
	printedMySQL = regexp.MustCompile(`(?m)^mysql +(\S+)$`)
)

// run starts lab run as a newcomer does; more are flags.
func run(t *testing.T, program string, more ...string) *lab {
	t.Helper()
	clients, err := proc.FreeAddr()
	require.NoError(t, err)
	console, err := proc.FreeAddr()
	require.NoError(t, err)
	l := &lab{t: t, dir: t.TempDir(), clients: clients}
	out := filepath.Join(l.dir, "out")
	child, err := proc.Start(proc.Spec{Name: "lab run", Output: out, Args: append([]string{program, "run", "-data", l.dir, "-listen", clients, "-console", console}, more...)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, child.Stop(context.Background())) })
	var printed string
	require.Eventually(t, func() bool {
		select {
		case <-child.Done():
			return true
		default:
		}
		text, err := os.ReadFile(out)
		printed = string(text)
		return err == nil && printedToken.MatchString(printed)
	}, 3*time.Minute, 50*time.Millisecond, "lab run does not start")
	require.Regexp(t, printedToken, printed, "lab run has ended: %s", child.Tail(20))
	l.url, l.token = printedURL.FindStringSubmatch(printed)[1], printedToken.FindStringSubmatch(printed)[1]
	text, err := os.ReadFile(filepath.Join(l.dir, "rsa.pub.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	require.NotNil(t, block)
	l.key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	require.NoError(t, err)
	address, name, _ := strings.Cut(printedMySQL.FindStringSubmatch(printed)[1], "/")
	l.db, err = sql.Open("mysql", "root@tcp("+address+")/"+name)
	require.NoError(t, err)
	t.Cleanup(func() { l.db.Close() })
	return l
}

// origin is the console's, without a path.
func (l *lab) origin() string {
	u, err := url.Parse(l.url)
	require.NoError(l.t, err)
	return u.Scheme + "://" + u.Host
}

// login has a device of a person sign in.
func (l *lab) login(model string, p device.Person) *device.Device {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	d, err := device.Connect(l.t.Context(), device.Config{Addr: l.clients, Key: l.key, DC: 2, Model: model})
	require.NoError(l.t, err)
	l.t.Cleanup(d.Close)
	require.NoError(l.t, d.AwaitReady(ctx))
	require.NoError(l.t, d.LogIn(ctx, p, bff.DefaultCode, ""))
	require.NoError(l.t, d.Subscribe(ctx))
	return d
}

// sign makes a token by the lab's own key.
func (l *lab) sign(name, scope string, expires time.Time) string {
	l.t.Helper()
	key, err := os.ReadFile(filepath.Join(l.dir, "admin.key"))
	require.NoError(l.t, err)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": name, "scope": scope, "exp": expires.Unix()}).SignedString(key)
	require.NoError(l.t, err)
	return text
}
