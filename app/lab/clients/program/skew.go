package program

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// skewed is the environment of a process whose clock is ahead.
func skewed(spec Spec) ([]string, error) {
	if spec.Skew == 0 {
		return nil, nil
	}
	seconds := strconv.FormatInt(int64(spec.Skew/time.Second), 10)
	env := []string{"CLOCK_SKEW_SECONDS=" + seconds}
	switch spec.Manifest.Clock {
	case ClockOwn:
	case ClockNode:
		env = append(env, "NODE_OPTIONS=--require "+spec.SkewScript)
	case ClockFake:
		lib := fakeTime()
		if lib == "" {
			return nil, fmt.Errorf("%w: libfaketime is not installed", ErrNoClock)
		}
		if spec.Skew > 0 {
			seconds = "+" + seconds
		}
		env = append(env, "LD_PRELOAD="+lib, "FAKETIME="+seconds, "FAKETIME_DONT_FAKE_MONOTONIC=1")
	default:
		return nil, ErrNoClock
	}
	return env, nil
}

// fakeTime finds the library where Debian puts it.
func fakeTime() string {
	found, _ := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if len(found) == 0 {
		return ""
	}
	return found[0]
}
