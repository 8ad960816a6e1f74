package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/tgsession/tgsession/proto/tl"
)

// onlineLong keeps silent keys, too, and has status told of them once: what being online
// costs grows with the keys, and is none of what an operation costs.
const onlineLong = "Session: {IdleOffline: 2h, IdleClose: 3h, OnlineEvery: 2h, OnlineFor: 3h}\n"

// Growth is what an operation costs nodes with more and more active keys.
type Growth struct {
	Row   string       `json:"row"`
	Nodes []GrownNodes `json:"nodes"`
}

// GrownNodes is a node with so many keys, of which each has been used.
type GrownNodes struct {
	Keys   int     `json:"keys"`
	CPU    Spread  `json:"cpu"`    // seconds for 10,000 operations
	Ratio  Spread  `json:"ratio"`  // to the first node's, of the same turn
	Memory float64 `json:"memory"` // MiB resident, with the garbage of the load
}

// Grow measures rows on nodes with so many keys each, in turn, Pairs times. The keys of
// an operation are all keys, one after the other.
func Grow(ctx context.Context, c Config, keys []int) (all []Growth, err error) {
	if len(keys) == 0 || len(c.Rows) == 0 {
		return nil, errors.New("bench: no keys or no row to measure")
	}
	c.Keys, c.Idle = keys[0], nil
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := &run{Config: c, keys: 1 << 40}
	if r.schema, err = tl.Load(tl.Default); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if r.peers, err = startPeers(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer r.peers.close()
	for _, row := range c.Rows {
		r.say("%s", row.Name)
		g, err := r.grow(ctx, row, keys)
		if err != nil {
			return all, fmt.Errorf("bench: %s: %w", row.Name, err)
		}
		all = append(all, g)
	}
	return all, nil
}

// grow measures a row.
func (r *run) grow(ctx context.Context, row Row, keys []int) (g Growth, err error) {
	what, err := newContent(r.schema, row.body)
	if err != nil {
		return g, err
	}
	r.peers.desk.answers(what.pb)
	loads := make([]*load, len(keys))
	for i, n := range keys {
		t, err := r.startSession(ctx, row.streams, onlineLong)
		if err != nil {
			return g, err
		}
		defer t.close()
		if err := r.crowd(ctx, t, n); err != nil {
			return g, err
		}
		if row.push {
			for _, d := range t.devices {
				d.expectPushes()
			}
		}
		loads[i] = row.load(t, what)
		if err := r.warm(ctx, loads[i]); err != nil {
			return g, err
		}
	}
	n := row.operations(r.Operations)
	cpu, ratios := make([][]float64, len(keys)), make([][]float64, len(keys))
	for turn := range r.Pairs {
		for i, l := range loads {
			s, err := r.sample(ctx, l, n)
			if err != nil {
				return g, err
			}
			if s.Lost > 0 {
				return g, fmt.Errorf("%d of %d operations had no answer", s.Lost, n)
			}
			cpu[i] = append(cpu[i], s.CPU.Seconds()*perOperations/float64(n))
			ratios[i] = append(ratios[i], cpu[i][turn]/cpu[0][turn])
		}
		r.say("  turn %d of %d", turn+1, r.Pairs)
	}
	g.Row = row.Name
	for i, l := range loads {
		memory, err := resident(l.t.child.PID())
		if err != nil {
			return g, err
		}
		g.Nodes = append(g.Nodes, GrownNodes{keys[i], spread(cpu[i]), spread(ratios[i]), float64(memory) / (1 << 20)})
	}
	return g, nil
}

// perOperations is for how many operations costs are told.
const perOperations = 10_000

// PrintGrowth writes the table of Grow.
func PrintGrowth(to io.Writer, all []Growth) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, g := range all {
		fmt.Fprintf(w, "%s: CPU seconds for 10,000, and in parts of the first\n", g.Row)
		fmt.Fprint(w, "active keys\tCPU\tratio\tmin\tmax\tMiB resident\t\n")
		for _, n := range g.Nodes {
			fmt.Fprintf(w, "%d\t%.3f\t%.2f\t%.2f\t%.2f\t%.0f\t\n", n.Keys, n.CPU.Median, n.Ratio.Median, n.Ratio.Min, n.Ratio.Max, n.Memory)
		}
	}
	return w.Flush()
}
