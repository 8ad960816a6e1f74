// Package leaktest fails a test run that leaves goroutines of this project
// behind. It is goleak, reduced to our own code: go-zero keeps its etcd
// connections, statistics and shutdown listeners for the life of the process.
package leaktest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

const module = "github.com/tgsession/tgsession/"

// Main runs the tests and checks that no goroutine that runs or was started
// by code of this module, nor one of a gRPC server, is left. Goroutines with
// one of the parked functions on their stack are meant to stay.
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
func Main(m *testing.M, parked ...string) {
	code := m.Run()
	if code == 0 {
		if leaks := find(append(parked, "rpcserver.(*Server).serve")); leaks != "" {
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
