// Package dispatch brings API calls to the BFFs that serve them. A call's
// bytes are protobuf already and pass through as they are; which BFF serves a
// group of methods is configuration (IDMap), so a new group needs no new
// code.
package dispatch

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/tracing"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/app/internal/rpcclient"
	"github.com/tgsession/tgsession/proto/tl"
)

// Options of a Dispatcher.
type Options struct {
	Schema       *tl.Schema
	Routes       Routes                            // until SetRoutes
	ServerID     string                            // this node's published address
	Timeout      time.Duration                     // of a call
	MediaTimeout time.Duration                     // of the four methods that handle media
	ReplyBytes   int                               // of an answer; 0: gRPC's 4 MiB
	FakeResults  bool                              // answer some unrouted methods with empty results
	Breaker      func(path string) breaker.Breaker // nil: go-zero's, one for each method
}

// Dispatcher calls BFFs. It is safe for concurrent use.
type Dispatcher struct {
	Options
	routes   atomic.Pointer[Routes]
	schema   *tl.Schema
	options  []grpc.CallOption
	rewrites map[*tl.Method]*rewrite
	warned   sync.Map // groups whose lack of a route was logged
	blame    blame
	calls    *rpcclient.Calls
}

// New makes a dispatcher.
func New(o Options) *Dispatcher {
	if o.Breaker == nil {
		o.Breaker = breaker.GetBreaker
	}
	d := &Dispatcher{Options: o, schema: o.Schema, rewrites: newRewrites(o.Schema), calls: rpcclient.NewCalls(headerName)}
	d.routes.Store(&o.Routes)
	d.options = []grpc.CallOption{grpc.ForceCodecV2(passthrough.Codec)}
	if o.ReplyBytes > 0 {
		d.options = append(d.options, grpc.MaxCallRecvMsgSize(o.ReplyBytes))
	}
	return d
}

// SetRoutes replaces the routes. A group that has none is told of again.
func (d *Dispatcher) SetRoutes(routes Routes) {
	d.routes.Store(&routes)
	d.warned.Clear()
}

// faults keeps a BFF that is down from filling the log.
var faults = logx.NewLessLogger(1000)

var (
	errNotImplemented = rpcerr.ErrMethodNotImpl
	errBreakerOpen    = rpcerr.ErrCallFailed
)

// Invoke makes one API call and waits for its answer, as long as the method
// may take.
func (d *Dispatcher) Invoke(call *sess.InvokeMethod) (*sess.MethodResult, *sess.RPCError) {
	method, request := call.Method, call.PB
	conn := (*d.routes.Load())[method.Group]
	if conn == nil {
		return d.unrouted(method, request)
	}
	if r := d.rewrites[method]; r != nil && call.Meta.Client == rewriteClient && call.Meta.Layer >= rewriteLayer {
		method, request = r.to, r.apply(request)
	}
	// Breakers are go-zero's, one per method: an ill method trips no other, and no
	// single key trips one (blame).
	promise, err := d.Breaker(method.Path).Allow()
	if err != nil {
		metrics.Calls.Inc(method.Group, "500")
		return nil, errBreakerOpen
	}
	start := time.Now()
	reply := passthrough.Reply{For: caller(&call.Meta)}
	err = d.send(conn, method, request, &reply, &call.Meta)
	metrics.CallDuration.Observe(float64(time.Since(start))/float64(time.Millisecond), method.Group)

	out, rpcErr := translate(err, len(request))
	switch {
	case out != faulty:
		promise.Accept()
	case d.blame.counts(method.Path, caller(&call.Meta), time.Now()):
		promise.Reject(method.Path)
	}
	if out == faulty || rpcErr != nil && !sess.ErrorText(status.Convert(err).Message()) { // which no client is told
		faults.Errorf("%s: %v", method.Path, err)
	}
	switch {
	case out == noRoute:
		return d.unrouted(call.Method, call.PB)
	case rpcErr != nil:
		metrics.Calls.Inc(method.Group, codeLabel(rpcErr.Code))
		return nil, rpcErr
	}
	metrics.Calls.Inc(method.Group, "0")
	return &sess.MethodResult{Method: method, PB: reply.Bytes(), Room: reply.Room(), Pushed: out == pushed}, nil
}

// send makes the call at its BFF.
func (d *Dispatcher) send(conn grpc.ClientConnInterface, m *tl.Method, request []byte, reply *passthrough.Reply, meta *sess.Meta) error {
	header, _ := callerHeader(d.ServerID, meta)
	c := d.calls.Begin(d.timeout(m), header)
	defer d.calls.End(c)
	ctx := c.Context()
	var span trace.Span
	if meta.Trace != nil {
		ctx, span = tracing.Call(ctx, meta.Trace, m.Name, m.Group)
	}
	err := rpcclient.Late(c.Context(), conn.Invoke(ctx, m.Path, passthrough.Frame(request), reply, d.options...))
	tracing.End(span, err)
	return err
}

// caller is the key that a call is blamed on, and whose its answer is: a device has one perm key and as many
// temp keys as it likes.
func caller(m *sess.Meta) int64 {
	if m.PermAuthKeyID != 0 {
		return m.PermAuthKeyID
	}
	return m.AuthKeyID
}

// unrouted answers a call that no BFF serves.
func (d *Dispatcher) unrouted(m *tl.Method, request []byte) (*sess.MethodResult, *sess.RPCError) {
	if d.FakeResults {
		if pb, ok := d.fake(m, request); ok {
			metrics.Unrouted.Inc(m.Name, "fake")
			return &sess.MethodResult{Method: m, PB: pb}, nil
		}
	}
	metrics.Unrouted.Inc(m.Name, errNotImplemented.Message)
	if _, logged := d.warned.LoadOrStore(m.Group, true); !logged {
		logx.Infof("no BFF serves %s (asked for %s): %s", m.Group, m.Name, advice(m.Group))
	}
	return nil, errNotImplemented
}

// advice is the line to add to session.yaml.
func advice(group string) string {
	if group == "" {
		return "the method belongs to no group"
	}
	return fmt.Sprintf(`add "%s%s": "bff.bff" to BFFProxyClients.IDMap when a BFF implements it`, groupPrefix, group)
}

func (d *Dispatcher) timeout(m *tl.Method) time.Duration {
	switch m.Name {
	case "messages.sendMedia", "messages.sendMultiMedia", "messages.uploadMedia", "messages.editMessage":
		return d.MediaTimeout
	}
	return d.Timeout
}

// codeLabel keeps the label bounded: the codes clients know, else "other".
func codeLabel(code int32) string {
	switch code {
	case 303, 400, 401, 403, 404, 406, 420, 500, -503:
		return strconv.Itoa(int(code))
	}
	return "other"
}
