package session

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(nodeFile); file != "" {
		os.Exit(serveNode(file))
	}
	if what := os.Getenv(hostileKind); what != "" {
		os.Exit(attack(what))
	}
	leaktest.Strict(m,
		goleak.IgnoreCurrent(), // go-zero listens for signals from its init on
		// zrpc's Start returns only with the process (package rpcserver).
		goleak.IgnoreAnyFunction("github.com/tgsession/tgsession/app/internal/rpcserver.(*Server).serve"),
		goleak.IgnoreAnyFunction("github.com/zeromicro/go-zero/core/executors.(*PeriodicalExecutor).backgroundFlush.func1"),
		goleak.IgnoreAnyFunction("github.com/zeromicro/go-zero/core/collection.(*TimingWheel).run"),
		goleak.IgnoreAnyFunction("github.com/zeromicro/go-zero/core/collection.(*cacheStat).statLoop"), // of Auth
		goleak.IgnoreAnyFunction("github.com/zeromicro/go-zero/core/stat.init.0.func1"),
	)
}
