package tlset

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Layers is an ascending list of layer ranges.
type Layers []LayerRange

// LayerRange is First..Last, both included.
type LayerRange struct{ First, Last int }

// EveryLayer is the list of what exists whatever the layer (core types such as Bool).
var EveryLayer = Layers{{0, math.MaxInt}}

// Contains reports whether the list has the layer.
func (l Layers) Contains(layer int) bool {
	for _, r := range l {
		if r.First <= layer && layer <= r.Last {
			return true
		}
	}
	return false
}

// Clip returns the part of the list that lies in first..last. Every layer stays every layer.
func (l Layers) Clip(first, last int) Layers {
	if l.every() {
		return l
	}
	var out Layers
	for _, r := range l {
		if r.First, r.Last = max(r.First, first), min(r.Last, last); r.First <= r.Last {
			out = append(out, r)
		}
	}
	return out
}

func (l Layers) every() bool { return len(l) == 1 && l[0] == EveryLayer[0] }

// Newest is the last layer of the list; 0 when the list names none, or every layer.
func (l Layers) Newest() int {
	if len(l) == 0 || l.every() {
		return 0
	}
	return l[len(l)-1].Last
}

// compare orders by the last layer, then by the first.
func (l Layers) compare(m Layers) int {
	end := func(l Layers) (int, int) {
		if len(l) == 0 {
			return -1, -1
		}
		return l[0].First, l[len(l)-1].Last
	}
	lf, ll := end(l)
	mf, ml := end(m)
	if ll != ml {
		return ll - ml
	}
	return lf - mf
}

// String is the text form: "139-142,150-223", "*" for every layer, "-" for none.
func (l Layers) String() string {
	switch {
	case len(l) == 0:
		return "-"
	case l.every():
		return "*"
	}
	var b strings.Builder
	for i, r := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(r.First))
		if r.Last != r.First {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(r.Last))
		}
	}
	return b.String()
}

var errLayers = errors.New("layers: want ascending ranges as 139-142,150")

// ParseLayers reads what String writes.
func ParseLayers(s string) (Layers, error) {
	switch s {
	case "-":
		return nil, nil
	case "*":
		return EveryLayer, nil
	}
	var out Layers
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		f, err1 := strconv.Atoi(first)
		l, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || f > l || (len(out) > 0 && f <= out[len(out)-1].Last) {
			return nil, errLayers
		}
		out = append(out, LayerRange{f, l})
	}
	return out, nil
}
