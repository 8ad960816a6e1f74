package unary

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/stats"
)

const (
	// longestRequest is the longest message of a call that a Client makes itself: it fits
	// into one frame, and a window that peers begin with.
	longestRequest = 16<<10 - prefixSize
	// defaultReply is the longest reply of a call that names no other bound, as gRPC's.
	defaultReply = 4 << 20
	dialTimeout  = 5 * time.Second
	redialAfter  = time.Second // also of a connection that was lost while gRPC's was not
)

// Client makes short calls of a gRPC client connection. It is safe for concurrent use.
type Client struct {
	ctx  context.Context // it ends with Close
	stop context.CancelFunc
	busy sync.WaitGroup

	addr   string    // the only one that the connection has; empty: it may have any
	follow sync.Once // for addr

	lone   atomic.Pointer[conn] // takes calls; nil: gRPC makes them
	shares shares

	mu    sync.Mutex
	twins map[*twin]struct{} // of the connections that gRPC has
}

// twin is what stands beside one connection of gRPC's.
type twin struct {
	addr string
	stop context.CancelFunc
	conn *conn // nil: it is not there yet
}

// New makes a client for the connection that is made with its Options. All that this
// connection carries costs a little more: To is for those that carry streams.
func New() *Client {
	c := &Client{twins: map[*twin]struct{}{}, shares: shares{of: map[int64]*share{}}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// To is New for a connection to one address. Nothing is done before its first unary call.
func To(addr string) *Client {
	c := New()
	c.addr = addr
	return c
}

// Options are those of the connection whose calls the client makes. They come behind all
// others that intercept calls; the connection must have no credentials.
func (c *Client) Options() []grpc.DialOption {
	opts := []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(c.invoke),
		// While it has no calls of its own gRPC would let its connection go, and ours with it.
		grpc.WithIdleTimeout(0),
	}
	if c.addr == "" {
		opts = append(opts, grpc.WithStatsHandler(watch{c}))
	}
	return opts
}

// Close ends all calls that are under way. A client whose connection is closed needs no
// Close: its calls may end by themselves, and it makes no others.
func (c *Client) Close() {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.busy.Wait()
}

// invoke is a grpc.UnaryClientInterceptor.
func (c *Client) invoke(ctx context.Context, method string, args, reply any, cc *grpc.ClientConn, grpcs grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if own := c.lone.Load(); own != nil {
		if o, ok := plain(opts); ok {
			err := own.invoke(ctx, method, args, reply, o)
			if !errors.Is(err, errNotMade) {
				return err
			}
		}
	} else if c.addr != "" {
		c.follow.Do(func() { c.begun(cc) })
	}
	return grpcs(ctx, method, args, reply, cc, opts...)
}

// begun has a connection beside that of cc, whose address is c.addr, while it is there.
func (c *Client) begun(cc *grpc.ClientConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	c.busy.Go(func() {
		var t *twin
		for state := cc.GetState(); ; state = cc.GetState() {
			switch ready := state == connectivity.Ready; {
			case ready && t == nil:
				t = &twin{addr: c.addr}
				c.begin(t)
			case !ready && t != nil:
				c.end(t)
				t = nil
			}
			if state == connectivity.Shutdown || !cc.WaitForStateChange(c.ctx, state) {
				return // with c.ctx all twins end
			}
		}
	})
}

// options are what a call may ask for that a Client makes itself.
type options struct {
	codec encoding.CodecV2
	reply int // bytes, at most
}

var protobuf = encoding.GetCodecV2(proto.Name)

// plain reads the options of a call; false: gRPC makes it.
func plain(opts []grpc.CallOption) (o options, ok bool) {
	o = options{protobuf, defaultReply}
	for _, opt := range opts {
		switch opt := opt.(type) {
		case grpc.ForceCodecV2CallOption:
			o.codec = opt.CodecV2
		case grpc.MaxRecvMsgSizeCallOption:
			o.reply = opt.MaxRecvMsgSize
		case grpc.StaticMethodCallOption:
		default:
			return o, false
		}
	}
	return o, o.codec.Name() == proto.Name
}

// watch hears of gRPC's connections.
type watch struct{ c *Client }

type twinKey struct{}

// TagConn implements stats.Handler.
func (watch) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, twinKey{}, &twin{addr: address(info.RemoteAddr)})
}

func address(a net.Addr) string {
	if a == nil || a.Network() != "tcp" {
		return ""
	}
	return a.String()
}

// HandleConn implements stats.Handler.
func (w watch) HandleConn(ctx context.Context, s stats.ConnStats) {
	t, ok := ctx.Value(twinKey{}).(*twin)
	if !ok || t.addr == "" {
		return
	}
	switch s.(type) {
	case *stats.ConnBegin:
		w.c.begin(t)
	case *stats.ConnEnd:
		w.c.end(t)
	}
}

// TagRPC implements stats.Handler.
func (watch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (watch) HandleRPC(context.Context, stats.RPCStats) {}

func (c *Client) begin(t *twin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(c.ctx)
	t.stop = stop
	c.twins[t] = struct{}{}
	c.choose()
	c.busy.Go(func() { c.keep(ctx, t) })
}

func (c *Client) end(t *twin) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.stop == nil {
		return
	}
	delete(c.twins, t)
	t.stop()
	c.choose()
}

// set notes a twin's connection; nil: it has none.
func (c *Client) set(t *twin, own *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.conn = own
	c.choose()
}

// choose chooses who takes calls. c.mu is held.
func (c *Client) choose() {
	var own *conn
	if len(c.twins) == 1 {
		for t := range c.twins {
			own = t.conn
		}
	}
	c.lone.Store(own)
}

// keep has a connection until ctx is done, which lets calls end that are under way.
func (c *Client) keep(ctx context.Context, t *twin) {
	for {
		if own, err := dial(ctx, t.addr, &c.shares); err == nil {
			stop := context.AfterFunc(ctx, own.drain)
			abort := context.AfterFunc(c.ctx, own.close)
			again := own.serve(func() { c.set(t, own) }, func() { c.set(t, nil) })
			stop()
			abort()
			if again && ctx.Err() == nil {
				continue
			}
		}
		pause := time.NewTimer(redialAfter)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}
