package sess

import (
	"bytes"
	"errors"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/proto/tl"
)

// What a client sends becomes larger when it is read: gzip_packed up to a thousand
// times, TL up to 64 times. Without bounds a few packets of anybody fill the memory.
// So a packet is read only as far as its key is trusted:
//
//	no login           NoLoginBytes; calls that need one are refused unread
//	not known yet      NoLoginBytes, or twice what came; more is answered 420, and
//	                   the client comes again when it is known
//	a login            GunzipBytes, RequestBytes
//
// All strangers at one address together have StrangerBytes a second (strangers.go). What
// becomes much larger than it came is read by as many at a time as WorkBytes has room
// for, and by half of the processors, so that small packets find the others. Who finds
// none waits in his Step.

// undecided reports whether it is not known yet if the key has a login.
func (w *MainAuthWrapper) undecided() bool {
	if w.binding.unbound {
		return w.binding.open()
	}
	return w.login.state == StateUnknown
}

// gunzipBytes is what a packet may inflate to.
func (w *MainAuthWrapper) gunzipBytes() int {
	if w.login.state == StateNormal {
		return w.cfg.GunzipBytes
	}
	return min(w.cfg.GunzipBytes, w.cfg.NoLoginBytes)
}

// requestBytes is what a call of size bytes may become.
func (w *MainAuthWrapper) requestBytes(size int) int {
	switch {
	case w.login.state == StateNormal:
		return w.cfg.RequestBytes
	case w.undecided():
		return min(w.cfg.RequestBytes, max(w.cfg.NoLoginBytes, 2*size))
	}
	return min(w.cfg.RequestBytes, w.cfg.NoLoginBytes)
}

// cheapBytes is what anything may become without a turn.
const cheapBytes = 64 << 10

// cheap is what b may become without a turn.
func cheap(b []byte) int { return max(cheapBytes, 2*len(b)) }

// takeTurn waits until there is room in WorkBytes, and a processor, to read the packet. Whoever has
// a turn waits for nothing, so it comes.
func (w *MainAuthWrapper) takeTurn(in *incoming) {
	if !in.turn {
		w.cfg.turns <- struct{}{}
		in.turn = true
	}
}

// leaveTurn gives the room of a packet back.
func (w *MainAuthWrapper) leaveTurn(in *incoming) {
	if in.turn {
		<-w.cfg.turns
		in.turn = false
	}
}

// unpack inflates gzip_packed at the expense of whoever sent it.
func (w *MainAuthWrapper) unpack(body []byte, in *incoming) ([]byte, error) {
	if !w.mayRead(in) {
		return nil, errCrowded
	}
	before := in.inflated
	inner, err := w.inflate(body, in)
	w.countN(CountUnpacked, in.inflated-before)
	w.haveRead(in, in.inflated-before)
	return inner, err
}

// freeBytes is how long a call may be that costs its address nothing: nearly all are
// shorter.
const freeBytes = 4 << 10

// spare is what DecodeRequest may use beyond what a call becomes.
const spare = 1 << 10

// decode turns a call into protobuf.
func (w *MainAuthWrapper) decode(in *incoming, body []byte) ([]byte, *RPCError) {
	if costly := len(body) > freeBytes; costly {
		if !w.mayRead(in) {
			w.count(CountOverload)
			return nil, errFlood
		}
		w.haveRead(in, len(body))
	}
	most := w.requestBytes(len(body))
	little := min(most, cheap(body))
	room := make([]byte, 0, min(len(body)+len(body)/4+16, little))
	pb, _, n, err := w.schema.DecodeRequest(room, body, little)
	if little < most && tooLong(err) {
		w.takeTurn(in)
		large := buffers.Pool.Get(most + spare)
		if pb, _, n, err = w.schema.DecodeRequest((*large)[:0], body, most); err == nil {
			pb = bytes.Clone(pb)
		}
		buffers.Pool.Put(large)
	}
	if err == nil && n != len(body) {
		err = tl.TrailingError{Offset: n, Bytes: len(body) - n}
	}
	switch {
	case err == nil:
		return pb, nil
	case tooLong(err) && w.undecided():
		w.count(CountOverload)
		return nil, errFlood
	}
	w.count(CountUndecodable)
	return nil, decodeError(err)
}

// tooLong reports whether a call was refused for what it becomes.
func tooLong(err error) bool {
	if err == nil { // which takes no memory
		return false
	}
	var limit tl.LimitError
	return errors.As(err, &limit) && limit.What == "output"
}

// unreadable is what is said of gzip_packed that was not inflated (rule ERR-10).
func (w *MainAuthWrapper) unreadable(err error) *RPCError {
	switch {
	case errors.Is(err, errCrowded):
		w.count(CountOverload)
		return errFlood
	case !errors.Is(err, errTooLarge):
		return errFetch
	case w.undecided():
		return errFlood
	}
	return errRequestLong
}
