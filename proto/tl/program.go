package tl

import "math/bits"

// kind says what a step of a program does. The comments show TL on the left, protobuf on the right.
type kind uint8

const (
	kFlags       kind = iota // a flags word | -
	kTrue                    // flags.N?true | bool
	kInt                     // int | int32
	kLong                    // long | int64
	kDouble                  // double | double
	kString                  // string, bytes, flags.N?bytes | string, bytes
	kRaw                     // int128, int256 | bytes
	kObject                  // a boxed object | union message
	kQuery                   // !X: all that is left | bytes
	kIntWrap                 // flags.N?int | Int32Value
	kLongWrap                // flags.N?long | Int64Value
	kDoubleWrap              // flags.N?double | DoubleValue
	kStringWrap              // flags.N?string | StringValue
	kInts                    // Vector<int> | repeated int32
	kLongs                   // Vector<long> | repeated int64
	kStrings                 // Vector<string>, Vector<bytes> | repeated string, bytes
	kObjects                 // Vector<Type> | repeated union message
	kBareObjects             // vector<%ctor> | repeated TL_ctor
	kBoxed                   // a boxed object | TL_ctor, which holds the union as its field 1
	kMark                    // remember where this value stands, and pass it
	kSeek                    // go back to what kMark passed
	kBack                    // and return
)

// words are the flags words of one object while it is written, from 1 on.
type words [maxWords + 1]uint32

// step is one instruction. Which flag a field depends on is (word, mask), which protobuf field it is lies in tag: there
// TL's view and protobuf's view of one field meet.
type step struct {
	msg      *Message
	mask     uint32 // flag bit
	tag      uint16 // protobuf tag (number<<3 | wire type)
	tagBytes uint16 // the same as it stands on the wire
	tagSize  uint8  // 1 or 2 bytes
	kind     kind
	word     uint8 // 0: unconditional; n: present when bit mask of the nth flags word is on
	size     uint8 // kRaw: bytes. kMark: bytes to pass; 0 for a string, or for an object when msg is set
	late     uint8 // kMark, kSeek: index into frame.marks; kFlags: which word
	bare     bool  // vectors: no 0x1cb5c415 in front
	text     bool  // strings: to be UTF-8
}

// numbered is what stream needs to know of the field with a certain number, small since tables crowd the cache.
type numbered struct {
	kind kind  // kFlags: this version has no such field
	wire uint8 // wire type
	slot uint8 // of the step
	word uint8 // as in step
	flag uint8 // the bit of step.mask
	held bool  // it comes too early
}

// foreign is a number that no field has.
var foreign = numbered{wire: noWire}

const (
	maxWords   = 3         // flags words of one constructor
	maxLate    = 16        // passed fields of one constructor
	maxSteps   = 128       // steps of one constructor and direction, a multiple of 64
	maxNumber  = 2047      // tags take at most two bytes
	headRoom   = 48        // most heads are shorter and are copied by the word
	maxTag     = 1<<32 - 1 // of any protobuf message
	vectorID   = 0x1cb5c415
	wireVarint = 0
	wireFixed  = 1
	wireBytes  = 2
	wireFixed4 = 5
	noWire     = 8 // none that three bits can hold
)

// program transcodes one constructor or method version, in both directions. A payload of a few dozen KB pushes tables out of
// the first cache, so what each object needs lies in the first two cache lines and not behind pointers.
type program struct {
	msg         *Message
	id          uint32
	first, last int16 // protobuf -> TL: layers, as indices, that surely get this version; more may
	headSize    uint8 // of head, or longHead when above headRoom
	prefix      uint8 // bytes the length prefix usually takes: 1 below 128 bytes of protobuf, else 2
	flagged     bool  // the first thing in TL is a flags word, of step 0
	holds       bool  // protobuf -> TL: some steps are held
	noCrc       bool  // vectors and boxes: no id of its own
	head        [headRoom]byte
	room        int         // bytes of output to have before writing the head and, when flat, all the rest
	fixed       int         // bytes of TL after the id, when flat
	flat        []flatField // not nil: the object has no other parts, see flat.go
	shuffle     *shuffle    // the rest of the way to ascending order; nil when steps already ascend
	read        plan        // TL -> protobuf: TL order, but written as ascending as one pass allows

	slots   []uint8    // field number -> slot+1; 0 for fields of other versions
	numbers []numbered // the same for stream; nil when that cannot write it
	write   plan       // protobuf -> TL: TL order, with flags words; kTrue, which do not run, come last
	fields  []slotInfo // by slot: every protobuf field of this version
	shared  []group    // flag bits that several fields hang on

	longHead []byte
	pred     *predicate // nil for methods
	method   *Method    // nil for constructors
	name     string     // predicate or method name, for errors
}

// setHead stores the implied protobuf fields, encoded: predicate_name and constructor.
func (p *program) setHead(head []byte) {
	p.headSize = uint8(len(head))
	if copy(p.head[:], head) < len(head) {
		p.longHead = head
	}
}

// plan is a list of steps with, as sets, which of them run: those of base always, and those of a flag when it is on. The
// interpreter walks over the set, so that the many optional fields a large object does not have cost nothing.
type plan struct {
	steps  []step
	blocks [maxSteps / 64]*block
	base   stepSet
	all    stepSet
	words  []flagWord // from 1 on
}

// block is 64 steps of one plan, or fewer and what lies behind them.
type block = [64]step

// flagWord holds the steps that hang on each bit of a flags word: low has those among the first 64 steps of the plan, high
// the others; nil when there are none.
type flagWord struct {
	known     uint32 // bits that mean something
	low, high *[32]uint64
}

// stepSet is a set of step indices.
type stepSet [maxSteps / 64]uint64

// put adds one step.
func (s *stepSet) put(i int) { s[i/64] |= 1 << (i % 64) }

// union is the steps of all flags that are on in v.
func union(when *[32]uint64, v uint32) (steps uint64) {
	for ; v != 0; v &= v - 1 {
		steps |= when[bits.TrailingZeros32(v)&31]
	}
	return steps
}

// add adds the steps of the flags that are on in the word.
func (s *stepSet) add(w *flagWord, v uint32) {
	if v &= w.known; v != 0 && w.low != nil {
		s[0] |= union(w.low, v)
	}
	if w.high != nil {
		s[1] |= union(w.high, v)
	}
}

// has reports whether a step is in the set.
func (s *stepSet) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }

// shuffle reorders the protobuf fields that read.steps[first:] write until the last of ends. They come in segments that are
// in order within themselves.
type shuffle struct {
	first int
	ends  []int   // the step after each segment
	order []uint8 // segments, ascending by field number
}

// slotInfo is what scanning a protobuf message needs to know of a field.
type slotInfo struct {
	mask   uint32
	tag    uint16
	coding coding
	word   uint8
}

// coding says how the protobuf field is found on the wire.
type coding uint8

const (
	cVarint   coding = iota // one varint
	cFixed                  // one 8-byte value
	cBytes                  // one length-delimited value, present also when empty
	cContent                // one length-delimited value, absent when empty
	cRepeated               // length-delimited values
	cPacked                 // varints, packed or not
)

// group is a flag bit that several fields share. As soon as one of them is present all are written: the others with
// zero, with an empty vector or with their type's empty constructor. When a type has none, the bit is cleared instead:
// objects lists those.
type group struct {
	word    uint8
	mask    uint32
	fields  int
	steps   stepSet // those that write the fields
	objects []uint8 // the objects among them
}

// sharing finds the group of a flag bit; nil when a single field hangs on it.
func (p *program) sharing(word uint8, mask uint32) *group {
	for i := range p.shared {
		if g := &p.shared[i]; g.word == word && g.mask == mask {
			return g
		}
	}
	return nil
}

// predicate is a constructor name with the version each client layer gets.
type predicate struct {
	name    string
	only    *program   // not nil: the one version, which its layers first..last get and no other
	byLayer []*program // index: layer - Schema.minLayer; nil: not in that layer
}

// at is the version for a layer, given as index; nil when the layer does not have the predicate.
func (p *predicate) at(layer int) *program {
	switch q := p.only; {
	case q == nil:
		return p.byLayer[layer]
	case int(q.first) <= layer && layer <= int(q.last):
		return q
	}
	return nil
}

// shrink gives up the list of a predicate with one version, as most have.
func (p *predicate) shrink() {
	var only *program
	n := 0
	for _, q := range p.byLayer {
		if q == nil {
			continue
		}
		if n++; only != nil && q != only {
			return
		}
		only = q
	}
	if only != nil && n == int(only.last-only.first)+1 {
		p.only, p.byLayer = only, nil
	}
}

// ids finds programs by constructor id: open addressing, at most half full. Constructor ids are CRCs and need no hashing.
type ids struct {
	mask  uint32
	slots []idSlot
}

type idSlot struct {
	id   uint32
	prog *program
}

func newIDs(n int) ids {
	size := 8
	for size < 2*n {
		size *= 2
	}
	return ids{mask: uint32(size - 1), slots: make([]idSlot, size)}
}

func (t *ids) put(p *program) bool {
	i := p.id & t.mask
	for t.slots[i].prog != nil {
		if t.slots[i].id == p.id {
			return false
		}
		i = (i + 1) & t.mask
	}
	t.slots[i] = idSlot{p.id, p}
	return true
}

func (t *ids) get(id uint32) *program {
	slots := t.slots
	for i := int(id); ; i++ {
		s := &slots[i&(len(slots)-1)]
		if s.id == id || s.prog == nil {
			return s.prog
		}
	}
}

// names finds predicates by name: open addressing over length and edges of the name, verified by comparison.
type names struct {
	mask  uint32
	slots []*predicate
}

func newNames(n int) names {
	size := 2
	for size < 2*n {
		size *= 2
	}
	return names{mask: uint32(size - 1), slots: make([]*predicate, size)}
}

func (t *names) put(p *predicate) {
	i := hashName(p.name) & t.mask
	for t.slots[i] != nil {
		i = (i + 1) & t.mask
	}
	t.slots[i] = p
}

func (t *names) get(name []byte) *predicate {
	if len(t.slots) == 0 {
		return nil
	}
	i := hashName(name) & t.mask
	for {
		p := t.slots[i]
		if p == nil || p.name == string(name) {
			return p
		}
		i = (i + 1) & t.mask
	}
}

// hashName mixes the length and four bytes from each of three places, which tells predicates of one type well apart.
func hashName[T string | []byte](s T) uint32 {
	h := uint32(len(s))
	if len(s) >= 4 {
		h ^= load32(s, len(s)-4) * 0x9e3779b1
		h ^= load32(s, (len(s)-4)*3/4) * 0x85ebca6b
		h ^= load32(s, len(s)/2-2) * 0xc2b2ae35
	} else if len(s) > 0 {
		h ^= uint32(s[0]) << 8
	}
	h ^= h >> 15
	h *= 0x2c1b3c6d
	return h ^ h>>13
}

func load32[T string | []byte](s T, i int) uint32 {
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}
