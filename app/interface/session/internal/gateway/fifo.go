package gateway

// keptPackets is up to how many packets the room for them is kept when they are gone.
const keptPackets = 1 << 10

// fifo is packets in the order in which they came. The zero value is empty.
type fifo struct {
	all  []packet
	head int // those before are gone
}

func (f *fifo) len() int { return len(f.all) - f.head }

func (f *fifo) push(p packet) {
	if len(f.all) == cap(f.all) && f.head > len(f.all)/2 { // cheaper than to grow
		left := copy(f.all, f.all[f.head:])
		clear(f.all[left:])
		f.all, f.head = f.all[:left], 0
	}
	f.all = append(f.all, p)
}

// first is the one that pop would take. There is one.
func (f *fifo) first() *packet { return &f.all[f.head] }

// pop takes the first one. There is one.
func (f *fifo) pop() (p packet) {
	p, f.all[f.head] = f.all[f.head], packet{}
	if f.head++; f.head < len(f.all) {
		return p
	}
	if f.all, f.head = f.all[:0], 0; cap(f.all) > keptPackets {
		f.all = nil
	}
	return p
}

// take takes all.
func (f *fifo) take() (packets []packet) {
	packets = f.all[f.head:]
	f.all, f.head = nil, 0
	return packets
}
