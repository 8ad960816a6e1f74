// Package confreload reads a service's configuration again while the service runs: when
// the process gets SIGHUP, and when one of the files changes that it was read from.
//
// What is wrong with a file that has changed is told once, and what held before stays in
// force, all of it. Of a file that is right the node takes the keys that its table says
// it can take; those that need a restart are named.
package confreload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"os"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/internal/conf"
)

var (
	reloads = metric.NewCounterVec(&metric.CounterVecOpts{
		Namespace: "config",
		Subsystem: "reload",
		Name:      "total",
		Help:      "Times that the configuration was read again, by what came of it: with refused the old values stay in force.",
		Labels:    []string{"server", "result"},
	})
	// refused stays until the file is right again: with it as it is a restart ends at once.
	refused = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "config",
		Subsystem: "reload",
		Name:      "refused",
		Help:      "1 while the configuration file is one that the node has refused: it runs on with the old one, and would not start again.",
		Labels:    []string{"server"},
	})
	pending = metric.NewGaugeVec(&metric.GaugeVecOpts{
		Namespace: "config",
		Subsystem: "restart",
		Name:      "keys",
		Help:      "Keys whose values in the file are others than those the node started with, and which need a restart.",
		Labels:    []string{"server"},
	})
)

// every is how often the files are looked at. A change is taken when two looks saw the
// same, so that no half of a file is.
const every = 2 * time.Second

// fileBytes bounds what is read of a file to see whether it has changed.
const fileBytes = 8 << 20

// Config is a pointer to a configuration.
type Config[T any] interface {
	*T
	conf.Tabled
}

// Follower reads a configuration again. Run it once.
type Follower[T any, P Config[T]] struct {
	server, path string
	apply        func(T) error
	every        time.Duration

	started T // what the node was started with
	last    T // what was read last and was right

	sources []string
	sum     []byte // of the sources as they were read
	seen    []byte // of the sources in the last look
}

// New prepares to follow the file at path, from which started was loaded, for the server
// of that name. Apply gives the node what it can take of a configuration, and changes
// nothing when it returns an error.
func New[T any, P Config[T]](server, path string, started T, apply func(T) error) *Follower[T, P] {
	f := &Follower[T, P]{server: server, path: path, apply: apply, every: every, started: started, last: started}
	f.sources = conf.Sources(path, P(new(T)))
	f.sum = digest(f.sources)
	f.seen = f.sum
	refused.Set(0, server)
	return f
}

// Run follows the file until ctx ends; again has a signal for each time that somebody
// asks for it.
func (f *Follower[T, P]) Run(ctx context.Context, again <-chan os.Signal) {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			f.reload()
		case <-tick.C:
			f.look()
		}
	}
}

// look reads the configuration again when its files have changed, and stay as they are.
func (f *Follower[T, P]) look() {
	now := digest(f.sources)
	settled := bytes.Equal(now, f.seen)
	f.seen = now
	if settled && !bytes.Equal(now, f.sum) {
		f.reload()
	}
}

func (f *Follower[T, P]) reload() {
	fresh := P(new(T))
	f.sum = digest(f.sources)
	_, err := conf.Load(f.path, fresh)
	if err == nil {
		f.sources = conf.Sources(f.path, P(new(T))) // of a wrong file they are the old ones
		f.sum = digest(f.sources)
		f.seen = f.sum
		err = f.take(fresh)
	}
	if err == nil {
		refused.Set(0, f.server)
	} else {
		refused.Set(1, f.server)
		reloads.Inc(f.server, "refused")
		logx.Errorf("the changed configuration is not used, what was in force before stays so: %v", err)
	}
}

// take gives the node what has changed.
func (f *Follower[T, P]) take(fresh P) error {
	table := fresh.Table()
	live, _ := table.Changed(P(&f.last), fresh)
	_, restart := table.Changed(P(&f.started), fresh)
	if len(live) > 0 {
		if err := f.apply(*fresh); err != nil {
			return err
		}
	}
	f.last = *fresh
	pending.Set(float64(len(restart)), f.server)
	if len(restart) > 0 {
		logx.Errorf("warning: changed in %s, and in force only after a restart: %s", f.path, strings.Join(restart, ", "))
	}
	if len(live) == 0 {
		reloads.Inc(f.server, "unchanged")
		logx.Infof("%s was read again: nothing has changed that a running node takes", f.path)
		return nil
	}
	reloads.Inc(f.server, "applied")
	logx.Infof("%s was read again, now in force: %s", f.path, strings.Join(live, ", "))
	return nil
}

// digest tells one state of files from another.
func digest(files []string) []byte {
	sum := sha256.New()
	for _, path := range files {
		_, _ = io.WriteString(sum, path+"\x00")
		f, err := os.Open(path)
		if err != nil {
			_, _ = io.WriteString(sum, "cannot be read")
			continue
		}
		_, _ = io.Copy(sum, io.LimitReader(f, fileBytes))
		f.Close()
	}
	return sum.Sum(nil)
}
