package sim

import (
	"fmt"
	"io"
	"time"
)

// trace is what happened: a hash of all of it, the end of it, and on request
// the whole of it.
type trace struct {
	hash  uint64
	count int
	kinds map[string]int // how often each thing happened
	last  [50]step
	out   io.Writer // nil: nobody reads along
}

// step is a line of a trace, put into words only when somebody reads it.
type step struct {
	at   int64
	who  string
	what string
	args [3]int64
}

func (s step) String() string {
	text := fmt.Sprintf("%12.6fs %-8s %s", time.Duration(s.at-epoch).Seconds(), s.who, s.what)
	for _, a := range s.args {
		if a != 0 {
			text += fmt.Sprintf(" %x", a)
		}
	}
	return text
}

func newTrace(out io.Writer) trace {
	return trace{hash: 14695981039346656037, kinds: map[string]int{}, out: out}
}

func (t *trace) note(at int64, who, what string, args ...int64) {
	s := step{at: at, who: who, what: what}
	copy(s.args[:], args)
	t.last[t.count%len(t.last)] = s
	t.count++
	t.kinds[what]++
	t.mix(uint64(at))
	for _, text := range [2]string{who, what} {
		for i := range len(text) {
			t.mix(uint64(text[i]))
		}
	}
	for _, a := range s.args {
		t.mix(uint64(a))
	}
	if t.out != nil {
		fmt.Fprintln(t.out, s)
	}
}

func (t *trace) mix(v uint64) { t.hash = (t.hash ^ v) * 1099511628211 }

// tail is the last steps, oldest first.
func (t *trace) tail() (steps []step) {
	for i := max(0, t.count-len(t.last)); i < t.count; i++ {
		steps = append(steps, t.last[i%len(t.last)])
	}
	return steps
}
