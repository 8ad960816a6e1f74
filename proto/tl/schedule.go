package tl

import (
	"math/bits"
	"slices"
)

// prepare fills in the sets of the plan: all, base and words. Only where the plan reads TL (reads) does it note which steps
// hang on which bit of a flags word: there the input's flags word says which steps run. A plan that writes TL runs the steps
// whose fields the message has.
func (p *plan) prepare(reads bool) {
	for i := range p.steps {
		s := &p.steps[i]
		if s.kind != kTrue {
			p.all.put(i)
		}
		if s.kind == kFlags {
			for len(p.words) <= int(s.late) {
				p.words = append(p.words, flagWord{})
			}
		}
		if s.word == 0 {
			p.base.put(i)
		}
		if s.word == 0 || !reads {
			continue
		}
		w := &p.words[s.word]
		when := &w.low
		if i >= 64 {
			when = &w.high
		}
		if *when == nil {
			*when = new([32]uint64)
		}
		w.known |= s.mask
		(*when)[bits.TrailingZeros32(s.mask)&31] |= 1 << (i % 64)
	}
	p.steps = slices.Clone(p.steps) // without the room append left
}

// schedule orders the steps of TL -> protobuf. Field numbers must ascend in the output, while TL has its fields in another
// order. A step comes too early when TL has a field with a lower number behind it:
//
//   - A flag without a value (kTrue) reads nothing: its step is moved to behind those with lower numbers.
//   - A scalar, a string or an object of fixed size is passed: kMark notes where it stands. Once all lower numbers are
//     written, kSeek goes back there, the step runs, and kBack returns.
//   - Any other step, and each above maxLate passed ones, runs in its place. arrange then makes the shuffle that sorts the
//     output.
func (p *program) schedule(order []step) {
	lowest := make([]int, len(order)+1) // lowest number among order[i:]
	lowest[len(order)] = maxNumber + 1
	for i := len(order) - 1; i >= 0; i-- {
		lowest[i] = lowest[i+1]
		if order[i].kind != kFlags {
			lowest[i] = min(lowest[i], order[i].number())
		}
	}
	var pending []step
	late := 0
	flush := func(below int) {
		slices.SortFunc(pending, func(a, b step) int { return a.number() - b.number() })
		for len(pending) > 0 && pending[0].number() < below {
			if s := pending[0]; s.late == 0 {
				p.emit(s)
			} else {
				p.emit(step{kind: kSeek, word: s.word, mask: s.mask, late: s.late})
				p.emit(s)
				p.emit(step{kind: kBack, word: s.word, mask: s.mask})
			}
			pending = pending[1:]
		}
	}
	for i, s := range order {
		flush(lowest[i])
		if s.kind == kTrue {
			pending = append(pending, s)
			continue
		}
		if s.kind == kFlags || !s.movable() || s.number() <= lowest[i] || late == maxLate-1 {
			p.emit(s)
			continue
		}
		late++ // from 1 on
		mark := s
		mark.kind, mark.late = kMark, uint8(late)
		mark.size = uint8(s.kind.fixed(s.size))
		p.emit(mark)
		s.late = mark.late
		pending = append(pending, s)
	}
	flush(maxNumber + 2)
	p.arrange()
}

func (p *program) emit(s step) { p.read.steps = append(p.read.steps, s) }

// arrange computes the shuffle of steps that still do not ascend.
func (p *program) arrange() {
	var writing []int // steps that write, ascending by field number
	for i, s := range p.read.steps {
		if s.tag != 0 && s.kind != kMark {
			writing = append(writing, i)
		}
	}
	sorted := slices.Clone(writing)
	slices.SortFunc(sorted, func(a, b int) int { return p.read.steps[a].number() - p.read.steps[b].number() })
	for len(writing) > 0 && writing[0] == sorted[0] {
		writing, sorted = writing[1:], sorted[1:]
	}
	for n := len(writing); n > 0 && writing[n-1] == sorted[n-1]; n-- {
		writing, sorted = writing[:n-1], sorted[:n-1]
	}
	if len(writing) == 0 {
		return
	}
	sh := &shuffle{first: writing[0]}
	rank := func(i int) int { return slices.Index(sorted, i) }
	first := map[int]uint8{} // rank of a segment's first step -> segment
	for k, i := range writing {
		if k > 0 && rank(i) == rank(writing[k-1])+1 {
			sh.ends[len(sh.ends)-1] = i + 1
			continue
		}
		first[rank(i)] = uint8(len(sh.ends))
		sh.ends = append(sh.ends, i+1)
	}
	for r := range sorted {
		if seg, ok := first[r]; ok {
			sh.order = append(sh.order, seg)
		}
	}
	p.shuffle = sh
}
