package versus

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tgsession/tgsession/app/lab/bench/usage"
)

// Sample is one measurement of a process.
type Sample struct {
	CPU       time.Duration // of all operations together
	Mallocs   float64       // likewise, allocations
	Bytes     float64       // that were allocated
	Packets   int64         // that came to the gateway
	PacketLen int64         // their bytes
	Lost      int
	Took      []time.Duration
}

// add makes one measurement of two.
func (s *Sample) add(more Sample) {
	s.CPU, s.Mallocs, s.Bytes = s.CPU+more.CPU, s.Mallocs+more.Mallocs, s.Bytes+more.Bytes
	s.Packets, s.PacketLen, s.Lost = s.Packets+more.Packets, s.PacketLen+more.PacketLen, s.Lost+more.Lost
	s.Took = append(s.Took, more.Took...)
}

// sample measures a process during n operations.
func (r *run) sample(ctx context.Context, l *load, n int) (s Sample, err error) {
	// Telling what a process has used allocates, too: it is asked twice before,
	// so that one answer is known to cost the difference.
	first, err := usage.Read(ctx, l.t.debug+"/metrics")
	if err != nil {
		return s, err
	}
	second, err := usage.Read(ctx, l.t.debug+"/metrics")
	if err != nil {
		return s, err
	}
	packets, sent := r.peers.gate.packets.Load(), r.peers.gate.bytes.Load()
	before, err := cpuTime(l.t.child.PID())
	if err != nil {
		return s, err
	}
	seen, err := l.do(ctx, r.Callers, n)
	if err != nil {
		return s, err
	}
	after, err := cpuTime(l.t.child.PID())
	if err != nil {
		return s, err
	}
	s.Packets, s.PacketLen = r.peers.gate.packets.Load()-packets, r.peers.gate.bytes.Load()-sent
	third, err := usage.Read(ctx, l.t.debug+"/metrics")
	if err != nil {
		return s, err
	}
	asking, used := second.Since(first), third.Since(second)
	s.CPU, s.Lost, s.Took = after-before, seen.lost, seen.took
	s.Mallocs, s.Bytes = used.Mallocs-asking.Mallocs, used.Bytes-asking.Bytes
	return s, nil
}

// cpuTime is how much CPU time a process has used, all its threads together, to
// the nanosecond: /proc has steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	clock := int32(^pid)<<3 | 2 // clock_getcpuclockid(3)
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// resident is how much memory of a process is in RAM, bytes.
func resident(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return parseResident(string(b))
}

func parseResident(status string) (int64, error) {
	kib, err := number(status, "VmRSS:", " kB")
	return kib << 10, err
}

// freeHeap is how much of the target's heap is free and still resident, bytes.
func (t *target) freeHeap(ctx context.Context) (int64, error) {
	var text strings.Builder
	if err := t.debugGet(ctx, profileTimeout, "heap?debug=1", &text); err != nil {
		return 0, err
	}
	return parseFree(text.String())
}

// parseFree reads a heap profile as text, which ends with runtime.MemStats.
func parseFree(profile string) (int64, error) {
	idle, err := number(profile, "# HeapIdle =", "")
	if err != nil {
		return 0, err
	}
	released, err := number(profile, "# HeapReleased =", "")
	return idle - released, err
}

// number reads the line of a text that begins with name and ends with unit.
func number(text, name, unit string) (int64, error) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), unit), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s %w", name, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s is not in %d bytes", name, len(text))
}
