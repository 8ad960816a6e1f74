package rpcserver

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/proc"
)

// Service is a program's one service: a Server with what belongs to it.
type Service interface {
	// Start returns when the service is ready, or with the reason it is not.
	Start(ctx context.Context) error
	// Failed delivers the error of a service that ended by itself.
	Failed() <-chan error
	// Stop ends the service by ctx's deadline.
	Stop(ctx context.Context) error
}

// Run is the life of a process around s: start, wait for SIGTERM, SIGINT or
// SIGQUIT, stop within budget. A second signal ends the process at once;
// SIGHUP is for follow. The error is why the process should exit with 1. Run
// takes the signals away from go-zero, then runs go-zero's own listeners
// (traces and log are flushed) last. It also tells the garbage collector of a
// container's limit.
//
// Follow runs while the service is ready, and gets each SIGHUP; it has to return when
// ctx ends. Nil: SIGHUP is ignored.
func Run(s Service, budget time.Duration, follow func(ctx context.Context, again <-chan os.Signal)) error {
	limitMemory()
	paceCollector()
	signals := []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP) // also without a follower: its default is the end
	defer signal.Ignore(syscall.SIGHUP)
	signal.Reset(signals...)
	ctx, restore := signal.NotifyContext(context.Background(), signals...)
	defer restore()
	defer flush()

	err := s.Start(ctx)
	if err == nil {
		following, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if follow != nil {
				follow(following, again)
			}
		}()
		select {
		case <-ctx.Done():
			logx.Infof("signal received, shutting down within %v", budget)
		case err = <-s.Failed():
		}
		stop()
		<-ended
	}
	if err != nil {
		logx.Error(err)
	}
	restore() // from here on a second signal has its default effect
	bounded, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	if stopErr := s.Stop(bounded); stopErr != nil {
		logx.Errorf("shutdown: %v", stopErr)
	}
	return err
}

// flushTime bounds go-zero's own end: a trace collector that is away would
// hold it up for long.
const flushTime = 2 * time.Second

// flush runs go-zero's listeners and closes the log.
func flush() {
	done := make(chan struct{})
	go func() {
		proc.WrapUp()
		proc.Shutdown()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(flushTime):
		logx.Errorf("traces or statistics could not be flushed within %v", flushTime)
	}
	_ = logx.Close()
}

// SetLogLevel sets the least level that go-zero's log of this process writes, by the
// words of Log.Level.
func SetLogLevel(level string) {
	levels := map[string]uint32{"debug": logx.DebugLevel, "info": logx.InfoLevel, "error": logx.ErrorLevel, "severe": logx.SevereLevel}
	if l, known := levels[level]; known {
		logx.SetLevel(l)
	}
}

// Warn logs each warning once, and repeats it on standard error when the log
// goes elsewhere. It is for after New, which sets the log up.
func Warn(program string, log logx.LogConf, warnings ...string) {
	for _, w := range warnings {
		logx.Errorf("warning: %s", w) // go-zero has no level between info and error
		if log.Mode == "file" || log.Mode == "volume" {
			fmt.Fprintf(os.Stderr, "%s: warning: %s\n", program, w)
		}
	}
}

// Note logs what is worth knowing and needs no action. It is for after New.
func Note(notes ...string) {
	for _, n := range notes {
		logx.Info(n)
	}
}

// Fail reports on standard error why a program does not start, whatever the
// log is set to, and returns the exit code 1.
func Fail(program string, err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
	return 1
}
