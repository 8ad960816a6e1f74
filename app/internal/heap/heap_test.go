package heap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

func TestPercentFor(t *testing.T) {
	for inUse, want := range map[uint64]int{
		0:           6400,
		mib:         6300,
		8 * mib:     700,
		16 * mib:    300,
		31 * mib:    100,
		Floor / 2:   100,
		Floor:       100,
		1 << 40:     100,
		1<<64 - 100: 100,
	} {
		t.Run(fmt.Sprint(inUse), func(t *testing.T) {
			require.Equal(t, want, percentFor(inUse))
			if inUse < 1<<40 {
				require.LessOrEqual(t, inUse+inUse*uint64(percentFor(inUse))/100, max(uint64(Floor), 2*inUse))
			}
		})
	}
}

func TestContainerLimit(t *testing.T) {
	const machine = 1000
	none := errors.New("there is none")
	for name, c := range map[string]struct {
		container            uint64
		noContainer, unknown error
		want                 int64
	}{
		"no container":               {noContainer: none},
		"a container without limit":  {container: 1<<63 - 4096},
		"as much as the machine has": {container: machine},
		"a limit":                    {container: 500, want: 450},
		"a machine of unknown size":  {container: 500, unknown: none},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, containerLimit(
				func() (uint64, error) { return c.container, c.noContainer },
				func() (uint64, error) { return machine, c.unknown },
			))
		})
	}
}

var sink []byte

// child lives as a process does that is tuned, and says how its collector works.
func child() {
	Tune()
	var stats runtime.MemStats
	collections := func(megabytes int) uint32 {
		runtime.ReadMemStats(&stats)
		before := stats.NumGC
		for range megabytes * 16 {
			sink = make([]byte, mib/16)
		}
		runtime.ReadMemStats(&stats)
		return stats.NumGC - before
	}
	small := collections(600)
	held := make([]byte, 100*mib)
	for deadline := time.Now().Add(10 * time.Second); percent() != usualPercent && time.Now().Before(deadline); {
		runtime.GC() // the finalizer runs some time after
		runtime.Gosched()
	}
	large := collections(600)
	fmt.Println(small, large, debug.SetMemoryLimit(-1) == 1<<63-1)
	runtime.KeepAlive(held)
}

// percent is GOGC as it is.
func percent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestMain(m *testing.M) {
	if os.Getenv("TGSESSION_TEST_HEAP") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

func TestTune(t *testing.T) {
	for name, c := range map[string]struct {
		env                   string
		leastSmall, mostSmall int // collections while 600 MiB go through a small heap
		mostLarge             int // and with 100 MiB in use
		limited               bool
	}{
		"by itself":         {mostSmall: 20, mostLarge: 12},
		"GOGC is set":       {env: "GOGC=100", leastSmall: 80, mostSmall: 300, mostLarge: 12},
		"GOMEMLIMIT is set": {env: "GOMEMLIMIT=1GiB", mostSmall: 20, mostLarge: 12, limited: true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "TGSESSION_TEST_HEAP=1", "GOGC=", "GOMEMLIMIT=", c.env)
			out, err := cmd.Output()
			require.NoError(t, err)
			var small, large int
			var unlimited bool
			_, err = fmt.Sscan(string(out), &small, &large, &unlimited)
			require.NoError(t, err, "%s", out)
			require.GreaterOrEqual(t, small, c.leastSmall)
			require.LessOrEqual(t, small, c.mostSmall)
			require.Positive(t, large)
			require.LessOrEqual(t, large, c.mostLarge)
			if c.limited {
				require.False(t, unlimited)
			}
		})
	}
}
