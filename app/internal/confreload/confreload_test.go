package confreload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx/logtest"
	"github.com/zeromicro/go-zero/core/prometheus"

	promclient "github.com/prometheus/client_golang/prometheus"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/internal/keytable"
	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	prometheus.Enable() // go-zero's metrics count nothing before
	leaktest.Main(m)
}

type settings struct {
	Policy string
	Limit  int    `json:",default=1"`
	Token  string `json:",optional"`
}

func (*settings) Table() keytable.Table {
	return keytable.Table{
		{Key: "Policy", Reload: keytable.Live, Doc: "p"}, {Key: "Limit", Doc: "l"}, {Key: "Token", Secret: true, Reload: keytable.Live, Doc: "t"},
	}
}

func (s *settings) Validate() error {
	if s.Policy == "wrong" {
		return &conf.KeyError{Key: "Policy", Problem: "is wrong", Fix: "correct it"}
	}
	return nil
}

// service has what it was given.
type service struct {
	mu    sync.Mutex
	now   settings
	times int
	fail  error
}

func (s *service) apply(c settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.now, s.times = c, s.times+1
	return nil
}

type bench struct {
	*Follower[settings, *settings]
	service
	t    *testing.T
	file string
	logs *logtest.Buffer
}

func start(t *testing.T, text string) *bench {
	t.Helper()
	b := &bench{t: t, file: filepath.Join(t.TempDir(), "c.yaml"), logs: logtest.NewCollector(t)}
	b.write(text)
	_, err := conf.Load(b.file, &b.now)
	require.NoError(t, err)
	b.Follower = New[settings]("test."+t.Name(), b.file, b.now, b.service.apply)
	return b
}

func (b *bench) write(text string) { require.NoError(b.t, os.WriteFile(b.file, []byte(text), 0o600)) }

func (b *bench) counted(result string) int {
	return value(b.t, "config_reload_total", map[string]string{"server": b.server, "result": result})
}

func (b *bench) pending() int {
	return value(b.t, "config_restart_keys", map[string]string{"server": b.server})
}

func (b *bench) refused() int {
	return value(b.t, "config_reload_refused", map[string]string{"server": b.server})
}

// value is a metric's; 0 when there is none yet.
func value(t *testing.T, name string, labels map[string]string) int {
	t.Helper()
	families, err := promclient.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			fits := f.GetName() == name
			for _, l := range m.GetLabel() {
				fits = fits && labels[l.GetName()] == l.GetValue()
			}
			if fits {
				return int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
			}
		}
	}
	return 0
}

// A change is taken when it has been seen twice: a file that is being written is not
// read in the middle.
func TestAChangeIsTakenOnceItStays(t *testing.T) {
	b := start(t, "Policy: a\n")
	b.look()
	require.Zero(t, b.times, "nothing has changed")
	b.write("Policy: ")
	b.look()
	b.write("Policy: b\nLimit: 7\n")
	b.look()
	require.Zero(t, b.times, "it is still being written")
	b.look()
	require.Equal(t, "b", b.now.Policy)
	b.look()
	require.Equal(t, 1, b.times, "once")
	require.Contains(t, b.logs.String(), "now in force: Policy")
	require.Contains(t, b.logs.String(), "in force only after a restart: Limit")
	require.Equal(t, []int{1, 0, 1}, []int{b.counted("applied"), b.counted("refused"), b.pending()})

	b.write("Policy: b\nLimit: 1\n")
	b.look()
	b.look()
	require.Zero(t, b.pending(), "as the node was started")
	require.Equal(t, []int{1, 1}, []int{b.times, b.counted("unchanged")})
}

// What is wrong with a file is told once, and nothing of it is used, right keys neither.
func TestAFaultyFileChangesNothing(t *testing.T) {
	b := start(t, "Policy: a\nToken: x\n")
	for name, text := range map[string]string{
		"no YAML": "Policy: [b\n", "a key of the wrong type": "Policy: b\nLimit: many\n", "empty": "",
		"what Validate refuses": "Policy: wrong\nToken: y\n", "a file of a secret that is not there": "Policy: b\nTokenFile: /nowhere\n",
	} {
		refused := b.counted("refused")
		b.logs.Reset()
		b.write(text)
		for range 4 {
			b.look()
		}
		require.Equal(t, settings{Policy: "a", Limit: 1, Token: "x"}, b.now, name)
		require.Equal(t, refused+1, b.counted("refused"), name)
		require.Contains(t, b.logs.String(), "what was in force before stays so", name)
		require.Equal(t, 1, b.refused(), name)
	}
	require.NoError(t, os.Remove(b.file))
	b.look()
	b.look()
	require.Equal(t, "a", b.now.Policy)
	b.write("Policy: c\n")
	b.look()
	b.look()
	require.Equal(t, "c", b.now.Policy, "the first right one is used")
	require.Zero(t, b.refused())

	b.fail = errors.New("no room for it")
	b.write("Policy: d\n")
	b.look()
	b.look()
	require.Contains(t, b.logs.String(), "no room for it")
	require.Equal(t, 1, b.refused())
	b.fail = nil
	b.write("Policy: c\n") // back to what is in force
	b.look()
	b.look()
	require.Zero(t, b.refused())

	b.fail = errors.New("no room for it")
	b.write("Policy: d\n")
	b.look()
	b.look()
	b.fail = nil
	b.reload() // asked for again, the file as it is
	require.Equal(t, "d", b.now.Policy)
}

// A secret in a file of its own is followed, too, and a symbolic link to another file.
func TestFilesOfSecretsAreFollowed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"old": "one", "new": "two"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "token"), []byte(text), 0o600))
	}
	link := filepath.Join(dir, "current") // as Kubernetes replaces a Secret
	require.NoError(t, os.Symlink("old", link))
	b := start(t, "Policy: a\nTokenFile: "+filepath.Join(link, "token")+"\n")
	require.Equal(t, "one", b.now.Token)
	require.NoError(t, os.Symlink("new", link+"~"))
	require.NoError(t, os.Rename(link+"~", link))
	b.look()
	b.look()
	require.Equal(t, "two", b.now.Token)
	require.NotContains(t, b.logs.String(), "two", "no secret in the log")
}

// SIGHUP reads the file at once, and the follower ends with its context.
func TestAskedFor(t *testing.T) {
	b := start(t, "Policy: a\n")
	b.every = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	again, ended := make(chan os.Signal, 1), make(chan struct{})
	go func() {
		defer close(ended)
		b.Run(ctx, again)
	}()
	b.write("Policy: b\n")
	again <- syscall.SIGHUP
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.now.Policy == "b"
	}, 10*time.Second, 5*time.Millisecond)
	cancel()
	<-ended
}
