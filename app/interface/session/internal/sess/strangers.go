package sess

import (
	"net/netip"
	"sync"
	"time"
)

// strangers bound what keys without a login at one address have a node unpack and
// decode. Each key alone is bounded (reading.go), but a key costs nothing: whoever has a
// thousand of them would have the node read a thousand times as much. It is safe for
// concurrent use.
//
// An address has StrangerBytes a second, and four times as much at once. What comes when
// that is used up is answered 420 unread. A client that signs in reads a few kilobytes,
// so thousands fit behind one address.
//
// Answers count, too, for forty bytes can ask for a megabyte. A key alone has as much as
// an address: when that is used up its calls are answered 420. Small calls of other keys
// at its address are let be, for most of those are other people's.
type strangers struct {
	mu      sync.Mutex
	rooms   map[origin]room
	cleared int64 // when those were let go that had everything again, Unix nanoseconds
}

// origin is where a stranger comes from: an address, of IPv6 the network of 64 bits that
// one customer has; or a transport key, where no gateway tells an address.
type origin struct {
	addr netip.Addr
	key  int64
}

// room is what an origin has left.
type room struct {
	bytes int   // negative: what was read beyond
	at    int64 // Unix nanoseconds
}

const (
	strangerBurst = 4       // seconds that an address may use at once
	maxOrigins    = 1 << 16 // origins that are known at a time; of more none is bounded but by its keys
)

// originOf is where a packet of a transport key comes from.
func originOf(ip string, key int64) origin {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return origin{key: key}
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		p, _ := addr.Prefix(64) // no other error than a wrong number of bits
		addr = p.Addr()
	}
	return origin{addr: addr}
}

// filled is a room after some time, of rate bytes a second.
func (r room) filled(now int64, rate int) room {
	if now > r.at {
		r.bytes = min(strangerBurst*rate, r.bytes+int(float64(now-r.at)/float64(time.Second)*float64(rate)))
		r.at = now
	}
	return r
}

// admits reports whether something from an origin may be read.
func (x *strangers) admits(o origin, now int64, rate int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	r, known := x.rooms[o]
	return !known || r.filled(now, rate).bytes > 0
}

// use notes how many bytes something from an origin has become.
func (x *strangers) use(o origin, bytes int, now int64, rate int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r, known := x.rooms[o]
	if !known {
		if len(x.rooms) >= maxOrigins && !x.clear(now, rate) {
			return
		}
		r = room{strangerBurst * rate, now}
	}
	r = r.filled(now, rate)
	r.bytes -= bytes
	x.rooms[o] = r
}

// clear lets go of the origins that have everything again, once a second at most. It
// returns whether there is room for one more.
func (x *strangers) clear(now int64, rate int) bool {
	if now-x.cleared < int64(time.Second) {
		return false
	}
	x.cleared = now
	for o, r := range x.rooms {
		if r.filled(now, rate).bytes == strangerBurst*rate {
			delete(x.rooms, o)
		}
	}
	return len(x.rooms) < maxOrigins
}

// stranger reports whether a key is known to have no login, and so reads at the expense
// of its address.
func (w *MainAuthWrapper) stranger() bool { return w.login.state != StateNormal && !w.undecided() }

// mayRead reports whether the address of a packet has something left, where its key is
// a stranger's. It is asked once for a packet.
func (w *MainAuthWrapper) mayRead(in *incoming) bool {
	in.admitted = in.admitted || !w.stranger() ||
		w.cfg.strangers.admits(originOf(in.d.ClientIP, in.d.AuthKeyID), w.now, w.cfg.StrangerBytes)
	return in.admitted
}

// haveRead notes what a packet has become.
func (w *MainAuthWrapper) haveRead(in *incoming, bytes int) {
	if w.stranger() {
		w.cfg.strangers.use(originOf(in.d.ClientIP, in.d.AuthKeyID), bytes, w.now, w.cfg.StrangerBytes)
	}
}

// mayAsk reports whether a key may make one more call, as far as it is a stranger and has
// been answered much.
func (w *MainAuthWrapper) mayAsk(s *session) bool {
	return !w.stranger() || w.cfg.strangers.admits(origin{key: s.list.authKeyID}, w.now, w.cfg.StrangerBytes)
}

// haveAnswered notes how many bytes the answer to a stranger's call has.
func (w *MainAuthWrapper) haveAnswered(c *pendingCall, bytes int) {
	if bytes <= freeBytes || !w.stranger() {
		return
	}
	own := origin{key: c.meta.AuthKeyID}
	w.cfg.strangers.use(own, bytes, w.now, w.cfg.StrangerBytes)
	if from := originOf(c.meta.ClientAddr, c.meta.AuthKeyID); from != own {
		w.cfg.strangers.use(from, bytes, w.now, w.cfg.StrangerBytes)
	}
}
