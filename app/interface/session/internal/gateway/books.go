package gateway

// books counts what is queued, under way or unanswered on a link, and whose it is.
// A key may have a share of either limit, for the queue is everybody's: without it
// one client that takes nothing, or asks for much, has the packets of all others
// refused. The zero value is ready.
type books struct {
	load
	owners map[int64]load // those who have something
}

type load struct{ items, bytes int }

// share is which part of a link's limits one key may take: 8 MiB of the 64 that are
// the default. One packet always fits.
const share = 8

func (b *books) fits(p packet, most load) bool {
	own, size := b.owners[p.owner], len(p.Payload)
	switch {
	case b.items >= most.items, b.items > 0 && b.bytes+size > most.bytes:
		return false
	case own.items == 0:
		return true
	}
	return own.items < most.items/share && own.bytes+size <= most.bytes/share
}

func (b *books) add(p packet) { b.change(p, 1) }

func (b *books) remove(p packet) { b.change(p, -1) }

func (b *books) change(p packet, n int) {
	size := n * len(p.Payload)
	b.items, b.bytes = b.items+n, b.bytes+size
	own := b.owners[p.owner]
	own.items, own.bytes = own.items+n, own.bytes+size
	switch {
	case own.items == 0:
		delete(b.owners, p.owner)
	case b.owners == nil:
		b.owners = map[int64]load{p.owner: own}
	default:
		b.owners[p.owner] = own
	}
}
