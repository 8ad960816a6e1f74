package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// shared is the cluster of the tests that need none of their own. They run in
// parallel; each plays its own BFF, has its own keys and users, and must leave
// the services as they are.
var shared struct {
	start sync.Once
	*cluster
	life *lasting
}

// sharedIdle is how soon a session ends whose gateway has closed it, so that
// tests need not wait long for a key to be forgotten.
const sharedIdle = 3 * time.Second

// share makes a test parallel and gives it its part of the shared cluster.
func share(t *testing.T) *cluster {
	t.Helper()
	t.Parallel()
	startShared(t)
	mine := *shared.cluster
	mine.t, mine.bff = t, shared.bffs.role()
	mine.conn = dial(t, mine.session.addr)
	return &mine
}

func startShared(t *testing.T) {
	t.Helper()
	if os.Getenv("TEST_MYSQL_DSN") != "" {
		shared.start.Do(func() {
			shared.life = &lasting{TB: t}
			// A value of the IDMap that names no client: a typo, as operators make them.
			change := func(file string) string {
				return strings.Replace(file, `"/mtproto.RPCNsfw": "bff.bff"`, `"/mtproto.RPCNsfw": "bff.bf"`, 1)
			}
			// So many tests at once on a small machine are a load that go-zero
			// sheds, unless it is told not to.
			const noShedding = "CpuThreshold: 0\n"
			shared.cluster = newCluster(shared.life, "etc2", noShedding, fmt.Sprintf("Session:\n  IdleClose: %s\n  KeyRefresh: 1s\n", sharedIdle), change)
			shared.life.outlives()
		})
	} else {
		newCluster(t, "", "", "") // skips
	}
	if shared.cluster == nil {
		t.Fatal("the shared cluster did not start: see the test that tried")
	}
}

// endShared stops the shared cluster and says what its services did wrong.
func endShared() (complaints string) {
	if shared.life == nil {
		return ""
	}
	return shared.life.end()
}

// lasting is a test's TB for what outlives the test. While it lasts, failures
// are the test's; from then on they are collected.
type lasting struct {
	testing.TB

	mu         sync.Mutex
	cleanups   []func()
	gone       bool
	complaints []string
}

// outlives says that the test need not wait.
func (l *lasting) outlives() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
}

func (l *lasting) end() string {
	for i := len(l.cleanups) - 1; i >= 0; i-- {
		l.cleanups[i]()
	}
	return strings.Join(l.complaints, "\n")
}

func (l *lasting) Context() context.Context { return context.Background() }

func (l *lasting) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }

func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "tgsession-shared-")
	if err != nil {
		l.Fatalf("%v", err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (l *lasting) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.TB.Errorf(format, args...)
		return
	}
	l.complaints = append(l.complaints, fmt.Sprintf(format, args...))
}

func (l *lasting) Logf(format string, args ...any) {
	if !l.gone {
		l.TB.Logf(format, args...)
	}
}

func (l *lasting) Helper() {}

func (l *lasting) Failed() bool { return len(l.complaints) > 0 || !l.gone && l.TB.Failed() }
