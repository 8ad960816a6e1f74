package unary

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/buffers"
)

// call is a call under way. What comes for it is the reader's alone until it has ended.
type call struct {
	id    uint32
	conn  *conn
	ended chan struct{} // capacity 1
	limit int           // bytes of its reply
	owner int64         // of its reply; 0: nobody

	request requestHeaders
	message []byte // with its prefix

	prefix [prefixSize]byte // of the reply
	got    int              // bytes of the reply, with its prefix
	size   int              // of the reply, as its prefix says
	body   []byte           // of the reply; nil until its prefix is there
	room   *[]byte          // where it is, if that is a buffer of package buffers
	head   bool             // the first headers have come
	err    error            // the outcome

	// Those of shares, under its lock.
	waits bool // the peer may not send the whole reply yet
	held  int  // bytes that the reply is counted with
	left  bool // it waits no more, and is not counted
}

var calls = sync.Pool{New: func() any { return &call{ended: make(chan struct{}, 1)} }}

// end ends a call.
func (k *call) end(err error) {
	k.err = err
	k.ended <- struct{}{}
}

// again makes a call that has ended ready for the next one.
func (k *call) again() {
	if k.owner != 0 && k.large() {
		k.conn.shares.leave(k)
	}
	if k.room != nil {
		buffers.Pool.Put(k.room)
	}
	*k = call{ended: k.ended, message: k.message[:0]}
	calls.Put(k)
}

// invoke makes a call. errNotMade: the peer has seen nothing of it.
func (c *conn) invoke(ctx context.Context, method string, args, reply any, o options) error {
	k := calls.Get().(*call)
	if !k.request.of(ctx, method) || !k.encode(args, o) {
		k.again()
		return errNotMade
	}
	k.conn, k.limit = c, o.reply
	if reply, ok := reply.(Owned); ok {
		k.owner = reply.Owner()
	}
	if ctx.Err() != nil || !c.begin(k, &k.request, k.message) {
		k.again()
		return errNotMade
	}
	select {
	case <-k.ended:
	case <-ctx.Done():
		if c.cancel(k, http2.ErrCodeCancel) {
			c.shares.leave(k)
			return status.FromContextError(ctx.Err()).Err() // the reader may be at k
		}
		<-k.ended
	}
	if err := k.err; err != nil {
		k.again()
		return late(ctx, err)
	}
	data := k.reply()
	k.again()
	defer data.Free()
	if err := o.codec.Unmarshal(mem.BufferSlice{data}, reply); err != nil {
		return status.Errorf(codes.Internal, "unary: failed to unmarshal the received message: %v", err)
	}
	return nil
}

// reply takes the reply from the call.
func (k *call) reply() mem.Buffer {
	if k.room == nil {
		return mem.SliceBuffer(k.body)
	}
	room := k.room
	*room, k.room = (*room)[:len(k.body)], nil
	if k.held == 0 { // nobody else is at k any more
		return mem.NewBuffer(room, buffers.Pool)
	}
	owned := &ownedRoom{k.conn.shares, k.owner, k.held}
	k.held = 0
	return mem.NewBuffer(room, owned)
}

// late is the error of a call whose peer has ended it. A peer that ends one since its time
// is over says that it is cancelled, and may say so before the caller's own timer does: it
// is late all the same, as with gRPC.
func late(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ok && status.Code(err) == codes.Canceled && !deadline.After(time.Now()) {
		return status.FromContextError(context.DeadlineExceeded).Err()
	}
	return err
}

// encode writes the message; false: gRPC is to write it, or to say what is wrong with it.
func (k *call) encode(args any, o options) bool {
	data, err := o.codec.Marshal(args)
	if err != nil {
		return false
	}
	defer data.Free()
	size := data.Len()
	if size > longestRequest {
		return false
	}
	k.message = binary.BigEndian.AppendUint32(append(k.message[:0], 0), uint32(size))
	for _, b := range data {
		k.message = append(k.message, b.ReadOnlyData()...)
	}
	return true
}

// receive takes bytes of the reply.
func (k *call) receive(b []byte) error {
	if k.got < prefixSize {
		n := copy(k.prefix[k.got:], b)
		k.got += n
		if b = b[n:]; k.got < prefixSize {
			return nil
		}
		if k.prefix[0] != 0 {
			return status.Error(codes.Internal, "unary: the reply is compressed, which was not asked for")
		}
		size := binary.BigEndian.Uint32(k.prefix[1:])
		if uint64(size) > uint64(max(k.limit, 0)) {
			// gRPC's words, by which package dispatch knows it.
			return status.Errorf(codes.ResourceExhausted, "grpc: received message larger than max (%d vs. %d)", size, k.limit)
		}
		k.size = int(size)
		switch {
		case k.size < buffers.Smallest:
			k.body = make([]byte, 0, k.size)
		case !k.large() || k.conn.shares.take(k):
			k.grow(k.size)
		default:
			k.grow(streamWindow)
		}
	}
	if len(b) > k.size-len(k.body) {
		return status.Error(codes.Internal, "unary: the reply has more than one message")
	}
	if len(b) > cap(k.body)-len(k.body) {
		if k.conn.shares.waits(k) {
			return status.Error(codes.Internal, "unary: the reply is more than the window has room for")
		}
		k.grow(k.size)
	}
	k.got += len(b)
	k.body = append(k.body, b...)
	return nil
}

// large reports whether the reply is longer than the peer may send unasked.
func (k *call) large() bool { return prefixSize+k.size > streamWindow }

// grow gives the reply room for so many bytes.
func (k *call) grow(size int) {
	room := buffers.Pool.Get(size)
	k.body = append((*room)[:0:size], k.body...)
	if k.room != nil {
		buffers.Pool.Put(k.room)
	}
	k.room = room
}

// whole reports whether the reply is there.
func (k *call) whole() bool { return k.got >= prefixSize && len(k.body) == k.size }

// lost is the error of calls whose connection has ended.
func (c *conn) lost(err error) error {
	return status.Error(codes.Unavailable, fmt.Sprintf("unary: the connection to %s was lost: %v", c.addr, err))
}
