package sim

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/passthrough"
)

// conn is a node's gRPC connection to a peer. A call takes virtual time, and
// meets what calls meet: it may be lost on its way, done and its answer lost,
// slow, or refused at once. Deadlines are virtual, those of contexts are not
// looked at.
type conn struct {
	c       *cluster
	from    *node
	peer    string
	timeout time.Duration
	// serve answers a call in a fiber, which may wait.
	serve func(ctx context.Context, method string, in any) (any, error)
}

var (
	errUnavailable   = status.Error(codes.Unavailable, "connection refused")
	errUnimplemented = status.Error(codes.Unimplemented, "unknown service")
	errDeadline      = status.Error(codes.DeadlineExceeded, "context deadline exceeded")
)

// Invoke makes a call. It must be called in a fiber.
func (k *conn) Invoke(ctx context.Context, method string, in, out any, options ...grpc.CallOption) error {
	defer k.c.watch.panics("call of " + k.peer)
	deadline := k.c.now + int64(k.timeout)
	fault := k.c.drawCallFault(k.peer)
	late := func() error {
		k.c.sleep(time.Duration(deadline - k.c.now))
		return errDeadline
	}
	switch {
	case k.from.dead || fault == refused || k.c.down[k.peer]:
		k.c.sleep(k.c.latency() / 4)
		return errUnavailable
	case fault == lost:
		return late()
	}
	if !k.c.sleep(k.c.latency()) {
		return errUnavailable
	}
	var trailer trailers
	answer, err := k.serve(grpc.NewContextWithServerTransportStream(ctx, &trailer), method, in)
	k.c.sleep(k.c.latency())
	switch {
	case k.from.dead || k.c.ended || fault == cut:
		return errUnavailable
	case fault == unanswered:
		return late()
	case k.c.now > deadline:
		return errDeadline
	case err != nil:
		return err
	}
	for _, o := range options {
		if o, ok := o.(grpc.TrailerCallOption); ok {
			*o.TrailerAddr = trailer.md
		}
	}
	switch out := out.(type) {
	case *passthrough.Reply:
		pb := answer.(passthrough.Frame)
		room := append(make([]byte, 0, len(pb)+roomFor), pb...)
		buffer := mem.NewBuffer(&room, spoiled{})
		out.Take(mem.BufferSlice{buffer})
		buffer.Free()
	case proto.Message:
		proto.Merge(out, answer.(proto.Message))
	}
	return nil
}

// spoiled is where replies are: what is read of one after it was freed is not there.
type spoiled struct{}

// roomFor is what a buffer has beside a reply: gRPC gives short ones to no pool.
const roomFor = 2 << 10

func (spoiled) Get(size int) *[]byte {
	b := make([]byte, size)
	return &b
}

func (spoiled) Put(b *[]byte) {
	for i := range *b {
		(*b)[i] = 0xdb
	}
}

// NewStream is not used by what is simulated.
func (k *conn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errUnavailable
}

// Close does nothing: a connection that is not used costs nothing.
func (k *conn) Close() error { return nil }

// trailers take what a peer says beside its answer.
type trailers struct{ md metadata.MD }

func (t *trailers) SetTrailer(md metadata.MD) error {
	t.md = metadata.Join(t.md, md)
	return nil
}

func (t *trailers) Method() string               { return "" }
func (t *trailers) SetHeader(metadata.MD) error  { return nil }
func (t *trailers) SendHeader(metadata.MD) error { return nil }
