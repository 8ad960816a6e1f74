package rpcclient

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Calls makes contexts for unary calls that have a deadline and one header. A context
// of package context costs a call a dozen objects; these are used again. It is safe
// for concurrent use.
type Calls struct {
	header string
	free   sync.Pool
}

// NewCalls makes contexts with a header; "": without one.
func NewCalls(header string) *Calls { return &Calls{header: header} }

// Call is the context of one call at a time.
type Call struct {
	ctx   context.Context // it is made once
	name  string          // of the header; empty: it has none
	value []string        // of the header
	state *callState
	timer *time.Timer
}

// callState is a context that may have been used before: it was not cancelled then.
type callState struct {
	context.Context // ends with the time of a call
	cancel          context.CancelFunc
	call            *Call
	deadline        atomic.Int64 // since epoch, nanoseconds
	over            atomic.Bool
}

// ofCall is the key by which a context tells whose it is.
type ofCall struct{}

// Value implements context.Context.
func (s *callState) Value(key any) any {
	if key == (ofCall{}) {
		return s.call
	}
	return s.Context.Value(key)
}

// Header returns the header of a context that is a Call's; ok: it has no other. The name
// is empty where it has none.
func Header(ctx context.Context) (name, value string, ok bool) {
	call, ok := ctx.Value(ofCall{}).(*Call)
	if !ok || call.ctx != ctx {
		return "", "", false
	}
	return call.name, call.value[0], true
}

// epoch has a monotonic clock, and so have the times that are counted from it.
var epoch = time.Now()

// Deadline implements context.Context.
func (s *callState) Deadline() (time.Time, bool) {
	return epoch.Add(time.Duration(s.deadline.Load())), true
}

// Err implements context.Context.
func (s *callState) Err() error {
	if s.over.Load() {
		return context.DeadlineExceeded
	}
	return s.Context.Err()
}

func (s *callState) end() {
	s.over.Store(true)
	s.cancel()
}

// Begin makes the context of a call that may take so long. value is what its header
// says; "" sends the header with nothing in it.
func (c *Calls) Begin(timeout time.Duration, value string) *Call {
	call, used := c.free.Get().(*Call)
	if !used {
		call = c.make()
	}
	call.value[0] = value
	call.state.deadline.Store(int64(time.Since(epoch) + timeout))
	if call.timer == nil {
		call.timer = time.AfterFunc(timeout, call.state.end)
	} else {
		call.timer.Reset(timeout)
	}
	return call
}

func (c *Calls) make() *Call {
	s := &callState{}
	s.Context, s.cancel = context.WithCancel(context.Background())
	call := &Call{ctx: s, state: s, name: c.header, value: []string{""}}
	s.call = call
	if c.header != "" {
		call.ctx = metadata.NewOutgoingContext(s, metadata.MD{c.header: call.value})
	}
	return call
}

// Context is for the one call, and no longer than it.
func (c *Call) Context() context.Context { return c.ctx }

// End says that the call has ended. One whose time was over is not used again: somebody
// may still look at it.
func (c *Calls) End(call *Call) {
	if call.timer.Stop() {
		call.value[0] = ""
		c.free.Put(call)
	}
}

var errDeadline = status.Error(codes.DeadlineExceeded, context.DeadlineExceeded.Error())

// Late returns the error of a call whose context is a Call's. What gRPC takes for
// given up was late.
func Late(ctx context.Context, err error) error {
	if status.Code(err) == codes.Canceled && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errDeadline
	}
	return err
}
