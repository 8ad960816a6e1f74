package sess

import (
	"errors"

	"github.com/tgsession/tgsession/app/interface/session/internal/rpcerr"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/tl"
)

// invocation is an API call and what the wrappers around it said.
type invocation struct {
	id      uint32
	body    []byte // of the call, with its id
	layer   int32
	init    *wire.InitConnection
	after   []int64
	takeout *Takeout
	quiet   bool // invokeWithoutUpdates
}

var (
	errFetch        = rpcerr.ErrInputFetch
	errRequestLong  = rpcerr.ErrInputTooLong
	errUnregistered = rpcerr.ErrKeyUnregistered
	errFlood        = rpcerr.ErrFlood
	errForgotten    = rpcerr.ErrAnswerForgotten
)

// What a client is told of faults that are none of its own. They must not be changed.
var (
	// ErrInternal: something here, or a peer, failed.
	ErrInternal = rpcerr.ErrInternal
	// ErrTimeout: nobody knows in time what came of a call. Clients ask again (rule ERR-14;
	// core.telegram.org/api/errors, 503).
	ErrTimeout = rpcerr.ErrTimeout
)

// maxAfter bounds how many messages the calls of a key may wait for.
const maxAfter = 1024

// unwrap takes the wrappers off a call, in whatever order they stand (rule
// AFTER-6). What was understood before an error is kept in q.
func (w *MainAuthWrapper) unwrap(in *incoming, body []byte) (q invocation, refusal *RPCError) {
	for range w.cfg.WrapperDepth {
		r := wire.NewReader(body)
		q.id, q.body = r.ID(), body
		if !r.OK() {
			return q, errFetch
		}
		switch q.id {
		case wire.IDInvokeWithLayer:
			if layer := r.Int(); layer > 0 {
				q.layer = layer
			} else if r.OK() {
				return q, rpcerr.ErrLayerInvalid
			}
		case wire.IDInitConnection, wire.IDInitConnectionOld:
			if c := wire.ReadInitConnection(&r, q.id == wire.IDInitConnectionOld); r.OK() {
				q.init = &c
			}
		case wire.IDInvokeAfterMsg:
			q.after = append(q.after, r.Long())
		case wire.IDInvokeAfterMsgs:
			ids := r.Longs()
			if len(q.after)+ids.Len() > maxAfter {
				return q, errFetch
			}
			for i := range ids.Len() {
				q.after = append(q.after, ids.At(i))
			}
		case wire.IDInvokeWithoutUpdates:
			q.quiet = true
		case wire.IDInvokeWithMessagesRange:
			q.messagesRange(&r)
		case wire.IDInvokeWithTakeout:
			q.ensureTakeout().ID = r.Long()
			if r.OK() && q.takeout.ID == 0 {
				return q, rpcerr.ErrTakeoutRequired
			}
		case wire.IDInvokeWithBusinessConnection, wire.IDInvokeWithReCaptcha:
			r.Bytes()
		case wire.IDInvokeWithGooglePlayIntegrity, wire.IDInvokeWithApnsSecret:
			r.Bytes()
			r.Bytes()
		case wire.IDGzipPacked:
			inner, err := w.unpack(body, in)
			if err != nil {
				return q, w.unreadable(err)
			}
			body = inner
			continue
		default:
			return q, nil
		}
		if !r.OK() {
			w.count(CountUndecodable)
			if q.id == wire.IDInvokeWithMessagesRange && q.takeout.ID != 0 {
				return q, rpcerr.ErrTakeoutQuery
			}
			return q, errFetch
		}
		body = r.Rest()
	}
	return q, errFetch // too deep
}

func (q *invocation) ensureTakeout() *Takeout {
	if q.takeout == nil {
		q.takeout = new(Takeout)
	}
	return q.takeout
}

func (q *invocation) messagesRange(r *wire.Reader) {
	if r.ID() != wire.IDMessageRange {
		*r = wire.NewReader(nil)
		r.ID() // not there
	}
	t := q.ensureTakeout()
	t.MinID, t.MaxID, t.HasRange = r.Int(), r.Int(), true
}

// decodeError says what is wrong with a call that cannot be read (rule ERR-10).
func decodeError(err error) *RPCError {
	var (
		unknown    tl.UnknownConstructorError
		unexpected tl.UnexpectedConstructorError
		limit      tl.LimitError
	)
	switch {
	case errors.As(err, &unknown), errors.As(err, &unexpected) && unexpected.Want != "Vector":
		return rpcerr.ErrInputConstructor
	case errors.As(err, &limit):
		return errRequestLong
	}
	return errFetch
}
