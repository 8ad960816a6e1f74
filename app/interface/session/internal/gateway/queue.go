package gateway

// queue holds the packets that wait for one gateway, and counts those that are on
// their way to it: handed to a call, or written to a stream and unanswered. It knows
// whose each is, for the way to a gateway is everybody's: a key gets a share of the
// room, and keys take turns. Otherwise one client that takes nothing, or asks for much,
// has the packets of all others refused, or has them wait behind its megabytes.
//
// Turns are those of fair queuing by deficit, as RFC 8290 has them: a key may send
// quantum bytes a turn, a packet that is larger makes it owe the rest, and a key that
// has been quiet comes before those that have much. Packets of one key stay in order.
//
// The zero value is ready. It is not safe for concurrent use.
type queue struct {
	load
	keys  map[int64]*backlog // those who have something
	fresh turns              // keys that had little to send, and have something now
	busy  turns              // keys that have had a turn
	spare []*backlog
}

type load struct{ items, bytes int }

// backlog is what one key has on a link. One that waits has its place in one of the
// turns, unless too much of its key is on its way.
type backlog struct {
	load          // waiting and on its way
	owner   int64 // the key
	waiting fifo
	onWay   int // bytes
	credit  int // bytes that it may send in this turn; below 0: it owes them
	placed  bool
	next    *backlog
}

const (
	// share is which part of a link's limits one key may take: 8 MiB of the 64 that
	// are the default. One packet always fits.
	share = 8
	// quantum is what a key may send a turn: most packets whole, of a large one a part.
	quantum = 16 << 10
	// mostOnWay is after how many bytes on its way a key waits until the gateway has
	// answered some, for all that is on its way is before whoever comes next. A gateway
	// 10 ms away gets 25 to 100 MB a second for one key then.
	mostOnWay = 256 << 10
	// bulky is from how many bytes on a packet waits until nothing else of its key is on its
	// way, so that it may go by a way of its own and stay in order. The key waits behind it.
	bulky = mostOnWay

	keptBacklogs = 64 // as many are used again
	keptRoom     = 16 // with room for as many packets
)

func (q *queue) fits(p packet, most load) bool {
	size := p.Len()
	if q.items >= most.items || q.items > 0 && q.bytes+size > most.bytes {
		return false
	}
	own := q.keys[p.owner]
	return own == nil || own.items < most.items/share && own.bytes+size <= most.bytes/share
}

// push has a packet wait.
func (q *queue) push(p packet) {
	own := q.keys[p.owner]
	if own == nil {
		own = q.open(p.owner)
	}
	size := p.Len()
	q.items, q.bytes = q.items+1, q.bytes+size
	own.items, own.bytes = own.items+1, own.bytes+size
	own.waiting.push(p)
	switch {
	case own.placed:
	case own.onWay+size <= quantum:
		own.credit = quantum
		q.fresh.add(own)
	default:
		q.busy.add(own)
	}
}

// next sends the packet on its way whose turn it is. With a window, keys that have
// mostOnWay on their way wait.
func (q *queue) next(window bool) (p packet, ok bool) {
	for {
		list := &q.fresh
		if list.first == nil {
			list = &q.busy
		}
		own := list.first
		switch {
		case own == nil:
			return packet{}, false
		case own.credit <= 0: // also one of which nothing waits: it stays until it owes nothing
			own.credit += quantum
			list.remove()
			q.busy.add(own)
		case own.mayGo(window):
			p = own.waiting.pop()
			own.onWay += p.Len()
			own.credit -= p.Len() + 1 // an empty one costs, too
			return p, true
		case list == &q.fresh: // it may not come again as one that has been quiet
			list.remove()
			q.busy.add(own)
		default:
			list.remove()
			q.close(own)
		}
	}
}

// arrived takes a packet off that was on its way; true: its key can send again.
func (q *queue) arrived(p packet) (wake bool) {
	own, size := q.keys[p.owner], p.Len()
	q.items, q.bytes = q.items-1, q.bytes-size
	own.items, own.bytes, own.onWay = own.items-1, own.bytes-size, own.onWay-size
	if !own.placed && own.mayGo(true) {
		q.busy.add(own)
		return true
	}
	q.close(own)
	return false
}

// mayGo reports whether the next packet of a key may be sent on its way: with a window not
// while mostOnWay is, nor one that is bulky behind another.
func (own *backlog) mayGo(window bool) bool {
	if own.waiting.len() == 0 {
		return false
	}
	return !window || own.onWay < mostOnWay && (own.onWay == 0 || own.waiting.first().Len() < bulky)
}

// back has packets wait again that were on their way, before all others. It reports whether
// any wait now.
func (q *queue) back(packets []packet) (due bool) {
	all := front(packets, q.take())
	for _, p := range all {
		q.arrived(p)
		q.push(p)
	}
	return len(all) > 0
}

// take sends all on their way at once, and nobody owes anything.
func (q *queue) take() (packets []packet) {
	for _, own := range q.keys {
		for own.waiting.len() > 0 {
			p := own.waiting.pop()
			own.onWay += p.Len()
			packets = append(packets, p)
		}
	}
	for _, list := range []*turns{&q.fresh, &q.busy} {
		for own := list.first; own != nil; own = list.first {
			list.remove()
			q.close(own)
		}
	}
	return packets
}

func (q *queue) open(owner int64) (own *backlog) {
	if n := len(q.spare); n > 0 {
		own, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		own = &backlog{}
	}
	own.owner = owner
	if q.keys == nil {
		q.keys = map[int64]*backlog{}
	}
	q.keys[owner] = own
	return own
}

// close lets go of a backlog that is empty and has no turn to come.
func (q *queue) close(own *backlog) {
	if own.items > 0 || own.placed {
		return
	}
	delete(q.keys, own.owner)
	room := own.waiting.all
	if cap(room) > keptRoom {
		room = nil
	}
	if *own = (backlog{waiting: fifo{all: room[:0]}}); len(q.spare) < keptBacklogs {
		q.spare = append(q.spare, own)
	}
}

// turns is keys in the order of their turns.
type turns struct{ first, last *backlog }

func (t *turns) add(own *backlog) {
	own.placed, own.next = true, nil
	if t.first == nil {
		t.first = own
	} else {
		t.last.next = own
	}
	t.last = own
}

// remove takes the first one off.
func (t *turns) remove() {
	own := t.first
	t.first = own.next
	own.placed, own.next = false, nil
}
