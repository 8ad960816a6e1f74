package versus

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/lab/bench/latency"
)

// The charts are inline SVG: rectangles, lines and labels in the units of a
// viewBox, made here and written by the template.
type chart struct {
	Title         string
	Width, Height int
	Bars          []bar
	Lines         []line
	Labels        []label
}

type (
	bar struct {
		X, Y, W, H float64
		Class      string
		Tip        string // shown when it is pointed at
	}
	line struct {
		X1, Y1, X2, Y2 float64
		Class          string
	}
	label struct {
		X, Y   float64
		Anchor string // start, middle or end
		Text   string
	}
)

const (
	chartWidth, chartHeight = 480, 220
	left, right             = 46.0, 10.0 // around the plot
	top, bottom             = 14.0, 30.0
	plotWidth               = chartWidth - left - right
	plotHeight              = chartHeight - top - bottom
)

func newChart(title string) *chart {
	return &chart{Title: title, Width: chartWidth, Height: chartHeight}
}

// cpuChart is bars of CPU seconds, two for each pair, with the goal as a line over
// the floor of each.
func cpuChart(r RowResult) *chart {
	c := newChart("CPU seconds for 10,000 operations, pair by pair")
	most := 0.0
	for _, v := range slices.Concat(r.Session.CPUs, r.Floor.CPUs) {
		most = max(most, v)
	}
	for _, v := range r.Floor.CPUs {
		most = max(most, v*r.Goal)
	}
	most = c.valueAxis(most, "%.3g")
	pairs := min(len(r.Session.CPUs), len(r.Floor.CPUs))
	step := plotWidth / float64(max(pairs, 1))
	wide := min(step*0.34, 48)
	for i := range pairs {
		middle := left + step*(float64(i)+0.5)
		a, b := r.Session.CPUs[i], r.Floor.CPUs[i]
		c.column(middle-wide-1, wide, a/most, "session", fmt.Sprintf("session, pair %d: %.3f s", i+1, a))
		c.column(middle+1, wide, b/most, "floor", fmt.Sprintf("floor, pair %d: %.3f s", i+1, b))
		goal := top + plotHeight*(1-b*r.Goal/most)
		c.Lines = append(c.Lines, line{middle - wide - 5, goal, middle + wide + 5, goal, "goal"})
		c.Labels = append(c.Labels, label{middle, chartHeight - bottom + 14, "middle", fmt.Sprintf("%.2f", a/b)})
	}
	c.Labels = append(c.Labels, label{left + plotWidth/2, chartHeight - 3, "middle", "session in parts of the floor"})
	return c
}

// latencyChart is two histograms of the same buckets, the floor's in front.
func latencyChart(r RowResult) *chart {
	c := newChart("time of an operation, parts of all")
	both := slices.Concat(r.Session.Latency, r.Floor.Latency)
	if len(both) == 0 {
		return c
	}
	first, last := both[0].UpTo, both[0].UpTo
	for _, b := range both {
		first, last = min(first, b.UpTo), max(last, b.UpTo)
	}
	bounds := latency.Bounds(first, last)
	ours, theirs := shares(r.Session.Latency, bounds), shares(r.Floor.Latency, bounds)
	most := c.valueAxis(100*max(slices.Max(ours), slices.Max(theirs)), "%.3g %%") / 100
	step := plotWidth / float64(len(bounds))
	for i, bound := range bounds {
		x := left + step*float64(i)
		c.column(x+0.5, step-1, ours[i]/most, "session", fmt.Sprintf("session, up to %s: %.1f %%", short(bound), 100*ours[i]))
		c.column(x+step*0.22, step*0.56, theirs[i]/most, "floor", fmt.Sprintf("floor, up to %s: %.1f %%", short(bound), 100*theirs[i]))
	}
	for _, i := range marks(len(bounds)) {
		c.Labels = append(c.Labels, label{left + step*(float64(i)+1), chartHeight - bottom + 14, "middle", short(bounds[i])})
	}
	for _, p := range []struct {
		class string
		at    time.Duration
	}{{"session", r.Session.P99}, {"floor", r.Floor.P99}} {
		i, _ := slices.BinarySearch(bounds, p.at)
		x := left + step*(float64(min(i, len(bounds)-1))+0.5)
		c.Lines = append(c.Lines, line{x, top, x, top + plotHeight, "p99 " + p.class})
	}
	return c
}

// shares are the parts of all that fall into buckets with these bounds.
func shares(buckets []latency.Bucket, bounds []time.Duration) []float64 {
	out, all := make([]float64, len(bounds)), 0
	for _, b := range buckets {
		all += b.Count
	}
	for _, b := range buckets {
		i, _ := slices.BinarySearch(bounds, b.UpTo)
		out[i] = float64(b.Count) / float64(all)
	}
	return out
}

// marks are some of n places, evenly apart, for labels that need room.
func marks(n int) (out []int) {
	every := max(1, (n+5)/6)
	for i := every - 1; i < n; i += every {
		out = append(out, i)
	}
	return out
}

// valueAxis draws lines at round values up to most, and returns the highest.
func (c *chart) valueAxis(most float64, format string) float64 {
	step := roundStep(most / 4)
	lines := max(1, int(math.Ceil(most/step-1e-9)))
	for i := range lines + 1 {
		y := top + plotHeight*(1-float64(i)/float64(lines))
		c.Lines = append(c.Lines, line{left, y, left + plotWidth, y, "grid"})
		c.Labels = append(c.Labels, label{left - 5, y + 4, "end", fmt.Sprintf(format, step*float64(i))})
	}
	return step * float64(lines)
}

// roundStep is the next 1, 2 or 5 times a power of ten.
func roundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= v*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// column adds a bar from the ground up, of a part of the plot's height.
func (c *chart) column(x, width, part float64, class, tip string) {
	if part <= 0 {
		return
	}
	h := plotHeight * part
	c.Bars = append(c.Bars, bar{x, top + plotHeight - h, width, h, class, tip})
}
