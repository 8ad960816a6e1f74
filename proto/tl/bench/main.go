package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tgsession/tgsession/proto/tl"
)

func main() {
	rounds := flag.Int("rounds", 11, "how often each contestant has its turn")
	turn := flag.Duration("turn", 60*time.Millisecond, "how long a turn takes at least")
	garbage := flag.Uint64("garbage", 128, "how many MiB of garbage who makes any makes at least in a turn, to pay for it")
	flag.Parse()
	if err := race(*rounds, *turn, *garbage<<20); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measured is what one contestant needs for one payload.
type measured struct {
	ns             float64 // in the best round
	cpu            float64 // the same in CPU time of all threads, which counts the garbage collector's work beside
	bytes, objects uint64  // allocated per operation
}

func race(rounds int, turn time.Duration, garbage uint64) error {
	s, messages, err := load()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	ratios := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	cpu := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "payload\tTL bytes\tcontestant\tns/op\tCPU ns/op\tMB/s\tB/op\tallocs/op\t")
	fmt.Fprintln(cpu, "payload\tTL bytes\ttl->pb : gotd\tpb->tl : gotd\ttl->pb : dynamicpb\tpb->tl : dynamicpb\t")
	fmt.Fprintln(ratios, "payload\tTL bytes\ttl->pb : gotd\tpb->tl : gotd\ttl->pb : dynamicpb\tpb->tl : dynamicpb\tmemmove : tl->pb\tmemmove : pb->tl\t")
	for _, p := range payloads() {
		in, all, err := contestants(s, messages.ByName(protoreflect.Name(p.message)), &p)
		if err != nil {
			return err
		}
		got := map[string]measured{}
		for i, m := range compete(all, rounds, turn, garbage) {
			got[all[i].name] = m
			fmt.Fprintf(w, "%s\t%d\t%s\t%.0f\t%.0f\t%.0f\t%d\t%d\t\n", p.name, len(in), all[i].name, m.ns, m.cpu, float64(len(in))/m.ns*1e3, m.bytes, m.objects)
		}
		times := func(slow, fast string) float64 { return got[slow].ns / got[fast].ns }
		fmt.Fprintf(ratios, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", p.name, len(in), times(gotd, toProto), times(gotd, toTL),
			times(dynTo, toProto), times(dynFrom, toTL), times(toProto, memmove), times(toTL, memmove))
		times = func(slow, fast string) float64 { return got[slow].cpu / got[fast].cpu }
		fmt.Fprintf(cpu, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n", p.name, len(in), times(gotd, toProto), times(gotd, toTL),
			times(dynTo, toProto), times(dynFrom, toTL))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println("\nHow many times as fast the first is as the second:")
	if err := ratios.Flush(); err != nil {
		return err
	}
	fmt.Println("\nThe same in CPU time of all threads:")
	return cpu.Flush()
}

// load compiles the newest release and makes descriptors of it.
func load() (*tl.Schema, protoreflect.MessageDescriptors, error) {
	s, err := tl.Load(tl.Default)
	if err != nil {
		return nil, nil, err
	}
	set, err := tl.ReadSet(tl.Default)
	if err != nil {
		return nil, nil, err
	}
	file, err := descriptors(set)
	if err != nil {
		return nil, nil, err
	}
	return s, file.Messages(), nil
}

// compete lets the contestants take turns and returns the best turn of each: what makes another turn slower is mostly somebody
// else on the machine. What one leaves to the garbage collector is not billed to the next.
func compete(all []contestant, rounds int, turn time.Duration, garbage uint64) []measured {
	out := make([]measured, len(all))
	times, cpus := make([][]float64, len(all)), make([][]float64, len(all))
	n := make([]int, len(all)) // operations in a turn
	for i, c := range all {
		for n[i] = 1; ; n[i] *= 2 {
			if d := timed(c, n[i]); d > turn/4 {
				n[i] = max(1, int(float64(n[i])*float64(turn)/float64(d)))
				break
			}
		}
		if out[i].bytes, out[i].objects = allocated(c, 64); out[i].bytes > 0 {
			n[i] = max(n[i], int(garbage/out[i].bytes))
		}
	}
	for range rounds {
		for i, c := range all {
			runtime.GC()
			before := cpuTime()
			times[i] = append(times[i], float64(timed(c, n[i]).Nanoseconds())/float64(n[i]))
			cpus[i] = append(cpus[i], float64(cpuTime()-before)/float64(n[i]))
		}
	}
	for i := range all {
		out[i].ns, out[i].cpu = slices.Min(times[i]), slices.Min(cpus[i])
	}
	return out
}

// cpuTime is what the process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot be with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func timed(c contestant, n int) time.Duration {
	start := time.Now()
	for range n {
		_ = c.run() // has run without an error before
	}
	return time.Since(start)
}

func allocated(c contestant, n int) (bytes, objects uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	timed(c, n)
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / uint64(n), (after.Mallocs - before.Mallocs) / uint64(n)
}
