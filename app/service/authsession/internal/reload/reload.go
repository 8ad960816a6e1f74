// Package reload keeps what files say, and reads them again when they change: keys,
// certificates and lists are replaced without a restart.
package reload

import (
	"os"
	"slices"
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"
)

var refused = metric.NewGaugeVec(&metric.GaugeVecOpts{
	Namespace: "authsession",
	Subsystem: "files",
	Name:      "refused",
	Help:      "1 while files that a key names (tokens, certificates, secrets of webhooks) cannot be used: what they said before stays in force, and the node would not start again.",
	Labels:    []string{"key"},
})

// every is how often the files are looked at, when somebody asks.
const every = time.Second

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

// Value is what load made of the files. It may be used from any goroutine.
type Value[T any] struct {
	key   string
	files []string
	load  func() (T, error)
	now   func() time.Time

	mu     sync.Mutex
	looked time.Time
	stamps []stamp
	failed []stamp // of what could not be loaded: it was told once
	value  T
}

// New loads files for the first time, for a key of the configuration.
func New[T any](key string, files []string, now func() time.Time, load func() (T, error)) (*Value[T], error) {
	v := &Value[T]{key: key, files: files, load: load, now: now, looked: now(), stamps: stamps(files)}
	var err error
	v.value, err = load()
	refused.Set(0, key)
	return v, err
}

// Get returns what the files say, as of a second ago at most. Files that cannot be
// used any more, or were removed, are told of in the log, and what they said before
// stays in force.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	if now.Sub(v.looked) < every {
		return v.value
	}
	v.looked = now
	found := stamps(v.files)
	if slices.Equal(found, v.stamps) {
		if v.failed != nil { // they are again what they were
			v.failed = nil
			refused.Set(0, v.key)
		}
		return v.value
	}
	value, err := v.load()
	if err != nil {
		if !slices.Equal(found, v.failed) {
			logx.Errorf("changed files are not used, what they said before stays in force: %v", err)
			refused.Set(1, v.key)
		}
		v.failed = found
		return v.value
	}
	logx.Infof("read again, since they have changed: %v", v.files)
	v.value, v.stamps, v.failed = value, found, nil
	refused.Set(0, v.key)
	return v.value
}

func stamps(files []string) []stamp {
	list := make([]stamp, len(files))
	for i, file := range files {
		if info, err := os.Stat(file); err == nil {
			list[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return list
}
