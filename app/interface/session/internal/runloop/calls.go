package runloop

import (
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// errBusy answers an API call that the node has no room for: its client waits three
// seconds and repeats the call. A call to authsession that finds no room fails with
// sess.ErrInternal instead, for no client has made it and could repeat it.
var errBusy = rpcerr.ErrFloodNode

// call puts a call on rpcQueue. Its outcome comes back as CallDone.
func (a *actor) call(c sess.Call) {
	switch r := c.Request.(type) {
	case *sess.SetOnline:
		a.online.Store(r.UserID)
		a.notify(r)
	case *sess.SetOffline:
		a.online.Store(0)
		a.notify(r)
	case *sess.InvokeMethod:
		a.flying.Add(1)
		a.invoke(c, bulk(r))
	default:
		if _, ok := r.(*sess.BindTempKey); ok && a.unbound {
			a.binding.Add(1)
		}
		if !a.m.peers.Go(func() { a.rpcRunLoop(c) }) {
			a.post(&sess.CallDone{Ticket: c.Ticket, Err: sess.ErrInternal})
			a.failed(c)
		}
	}
}

// smallCall is the size from which a call takes room of CallBytes, in bytes. Smaller ones
// are bounded by their number alone (CallLimit), with which they take 128 MiB at most. Most
// calls are small, and a counter of bytes that all cores write would slow all of them.
const smallCall = 4 << 10

// bulk is the room that an API call takes.
func bulk(r *sess.InvokeMethod) int {
	if len(r.PB) < smallCall {
		return 0
	}
	return len(r.PB)
}

// invoke puts an API call on rpcQueue, if there is room for it: a BFF that hangs holds
// up as many parts of files as there are calls, which is gigabytes.
func (a *actor) invoke(c sess.Call, size int) {
	if a.m.callRoom.Take(size) {
		if a.m.rpcQueue.Go(func() {
			defer a.m.callRoom.Leave(size)
			a.rpcRunLoop(c)
		}) {
			return
		}
		a.m.callRoom.Leave(size)
	}
	a.landed(&sess.CallDone{Ticket: c.Ticket, Err: errBusy})
}

// landed brings the outcome of an API call to its machine, wherever that is by now.
func (a *actor) landed(done *sess.CallDone) {
	if a.post(done) == away {
		a.m.sendAfter(a.key, a.awayTo(), done)
	}
	if a.flying.Add(-1) == 0 && a.isAway() {
		a.m.drained(a)
	}
}

// rpcRunLoop executes one call, beside the others of the key and the node.
func (a *actor) rpcRunLoop(c sess.Call) {
	done := &sess.CallDone{Ticket: c.Ticket, Err: sess.ErrInternal} // a panic keeps it
	defer func() {
		if _, ok := c.Request.(*sess.InvokeMethod); ok {
			a.landed(done)
		} else {
			a.post(done) // a key that was handed over meanwhile waited for nothing more
		}
		if done.Err != nil {
			a.failed(c)
		}
	}()
	done.Result, done.Err = a.m.o.Execute(c.Request)
}

// failed notes that a call has failed, which may have been to bind the key.
func (a *actor) failed(c sess.Call) {
	if _, ok := c.Request.(*sess.BindTempKey); ok && a.unbound {
		a.binding.Add(-1)
	}
}

// notify tells status. A key that another node owns now is left to that node,
// which may have reported already.
func (a *actor) notify(r sess.Request) {
	a.mu.Lock()
	leaving := a.leaving
	a.mu.Unlock()
	if !leaving {
		a.m.o.Notify(r)
	}
}
