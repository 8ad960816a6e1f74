package deflate

import "math/bits"

// code is the bits of a symbol, as they are written, and how many.
type code struct{ bits, n uint16 }

// lengths sets n to the lengths of an optimal prefix code for symbols that occur as
// often as freq says, at most limit bits each. What does not occur has length 0. A
// frequency is less than 1 << 16, as MaxSource sees to.
func (h *huffman) lengths(n []uint8, freq []uint32, limit int) {
	clear(n)
	h.sort(freq)
	switch len(h.sorted) {
	case 0:
		return
	case 1:
		n[h.sorted[0].symbol] = 1
		return
	}
	h.depths()
	var count [33]int // of leaves by depth
	for _, leaf := range h.sorted {
		count[min(leaf.weight, 32)]++
	}
	bound(&count, limit)
	// The rarest symbols come first and get the longest codes.
	i := 0
	for length := limit; length > 0; length-- {
		for range count[length] {
			n[h.sorted[i].symbol] = uint8(length)
			i++
		}
	}
}

// bound makes depths of a tree shorter than limit, and leaves a tree: the sum of
// 1/2^depth stays 1.
func bound(count *[33]int, limit int) {
	sum := 0 // in units of 1/2^limit
	for depth := len(count) - 1; depth > 0; depth-- {
		if depth > limit {
			count[limit] += count[depth]
			count[depth] = 0
			continue
		}
		sum += count[depth] << (limit - depth)
	}
	for ; sum > 1<<limit; sum-- {
		count[limit]-- // a leaf moves up, beside another one that goes down by one
		depth := limit - 1
		for count[depth] == 0 {
			depth--
		}
		count[depth]--
		count[depth+1] += 2
	}
}

// huffman is the room for making a code.
type huffman struct {
	sorted []leaf // rarest first
	leaves [2][maxSymbols]leaf
}

type leaf struct{ weight, symbol uint32 }

// sort lists the symbols that occur, the rarest first: a radix sort in two passes.
func (h *huffman) sort(freq []uint32) {
	const radix = 256
	var low, high [radix]uint32
	used := 0
	for symbol, f := range freq {
		if f == 0 {
			continue
		}
		h.leaves[0][used] = leaf{f, uint32(symbol)}
		used++
		low[f%radix]++
		high[f/radix%radix]++
	}
	from, to := h.leaves[0][:used], h.leaves[1][:used]
	pass := func(count *[radix]uint32, shift uint32) {
		at := uint32(0)
		for i, n := range count {
			count[i] = at
			at += n
		}
		for _, l := range from {
			c := &count[l.weight>>shift%radix]
			to[*c] = l
			*c++
		}
		from, to = to, from
	}
	pass(&low, 0)
	if high[0] != uint32(used) {
		pass(&high, 8)
	}
	h.sorted = from
}

// depths turns the weights of the leaves into their depths in a tree of least weight,
// in place (Moffat and Katajainen, "In-place calculation of minimum-redundancy codes").
// There are two leaves at least.
func (h *huffman) depths() {
	a := h.sorted
	n := len(a)
	// Weights of the inner nodes, left to right; then the parent of each.
	root, next := 0, 0 // the first inner node without a parent, the first leaf without one
	for node := range n - 1 {
		take := func() (w uint32) {
			if next >= n || root < node && a[root].weight < a[next].weight {
				w = a[root].weight
				a[root].weight = uint32(node)
				root++
				return w
			}
			w = a[next].weight
			next++
			return w
		}
		w := take()
		a[node].weight = w + take()
	}
	// Depths of the inner nodes, from the root down.
	a[n-2].weight = 0
	for node := n - 3; node >= 0; node-- {
		a[node].weight = a[a[node].weight].weight + 1
	}
	// Depths of the leaves: at each depth, what is no inner node is a leaf.
	inner, places, depth := n-2, 1, uint32(0)
	for leaf := n - 1; places > 0; depth++ {
		nodes := 0
		for inner >= 0 && a[inner].weight == depth {
			nodes++
			inner--
		}
		for range places - nodes {
			a[leaf].weight = depth
			leaf--
		}
		places = 2 * nodes
	}
}

// assign sets the codes of symbols with the lengths n (RFC 1951, 3.2.2).
func assign(codes []code, n []uint8) {
	var next [16]uint16
	for _, length := range n {
		next[length]++
	}
	next[0] = 0
	at := uint16(0)
	for length, count := range next {
		next[length] = at
		at = (at + count) << 1
	}
	for symbol, length := range n {
		if length == 0 {
			codes[symbol] = code{}
			continue
		}
		codes[symbol] = code{bits.Reverse16(next[length]) >> (16 - length), uint16(length)}
		next[length]++
	}
}
