// Package leaktest fails a test run that leaves goroutines of this project
// behind. It is goleak, reduced to our own code: go-zero keeps its etcd
// connections, statistics and shutdown listeners for the life of the process.
// And it is patient: goleak gives goroutines half a second to end, which is too
// little for those of a connection that was just closed where the machine has
// much to do.
package leaktest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const module = "github.com/tgsession/tgsession/"

// patience is how long goroutines may take to end after the last test. One that is left
// behind stays for longer.
const patience = 20 * time.Second

// Main runs the tests and checks that no goroutine that runs or was started
// by code of this module, nor one of a gRPC server, is left. Goroutines with
// one of the parked functions on their stack are meant to stay.
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
func Main(m *testing.M, parked ...string) {
	parked = append(parked, "rpcserver.(*Server).serve")
	run(m, func() string { return find(parked) })
}

// Strict is Main for packages that leave nothing behind: no goroutine may be left, whoever's
// code it runs, but those that options except.
//
//	func TestMain(m *testing.M) { leaktest.Strict(m, goleak.IgnoreCurrent()) }
func Strict(m *testing.M, options ...goleak.Option) {
	run(m, func() string {
		if err := goleak.Find(options...); err != nil {
			return err.Error()
		}
		return ""
	})
}

// run runs the tests, and exits with what came of them and of find.
func run(m *testing.M, find func() string) {
	code := m.Run()
	if code == 0 {
		leaks := find()
		for end := time.Now().Add(patience); leaks != "" && time.Now().Before(end); {
			leaks = find()
		}
		if leaks != "" {
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", leaks)
			code = 1
		}
	}
	os.Exit(code)
}

// find asks goleak, which gives goroutines that are about to end a moment.
func find(parked []string) string {
	err := goleak.Find()
	if err == nil {
		return ""
	}
	var leaks []string
	for _, stack := range strings.Split(err.Error(), "Goroutine ") {
		if ours(stack, parked) {
			leaks = append(leaks, stack)
		}
	}
	return strings.Join(leaks, "\n")
}

func ours(stack string, parked []string) bool {
	for _, p := range parked {
		if strings.Contains(stack, p) {
			return false
		}
	}
	return strings.Contains(stack, module) || strings.Contains(stack, "google.golang.org/grpc.(*Server)")
}
