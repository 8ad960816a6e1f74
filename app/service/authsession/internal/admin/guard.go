package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// method is what the guard knows of a call.
type method struct {
	scope   token.Scope // empty: none is needed
	changes bool
	polled  bool // pages and tools repeat it; see polls
}

// methods are those of SessionAdmin; no other is served.
var methods = map[string]method{
	"ListSessions":    {scope: token.Read},
	"GetSession":      {scope: token.Read},
	"FindLastSession": {scope: token.Read},
	"RevokeSession":   {scope: token.Revoke, changes: true},
	"RevokeSessions":  {scope: token.Revoke, changes: true},
	"CleanUp":         {scope: token.Revoke, changes: true},
	"EraseUser":       {scope: token.Erase, changes: true},
	"GetPolicy":       {scope: token.Read},
	"SetPolicy":       {scope: token.Revoke, changes: true},
	"ChangePolicy":    {scope: token.Revoke, changes: true},
	"GetStatistics":   {scope: token.Read, polled: true},
	"GetConfig":       {scope: token.Read},

	"RevokeMatching":   {scope: token.Revoke, changes: true},
	"GetOverview":      {scope: token.Read, polled: true},
	"WhoAmI":           {polled: true}, // whoever it is
	"ListAudit":        {scope: token.Audit},
	"GetAudit":         {scope: token.Audit},
	"ExportAudit":      {scope: token.Audit},
	"ListEvents":       {scope: token.Read, polled: true},
	"ListWebhooks":     {scope: token.Read},
	"ListDeadLetters":  {scope: token.Read},
	"RetryDeadLetters": {scope: token.Retry, changes: true},
	"PurgeDeadLetters": {scope: token.Retry, changes: true},
}

// auditLog is audit.Log.
type auditLog interface {
	Write(ctx context.Context, e audit.Entry) (id int64, err error)
	Complete(ctx context.Context, id int64, o audit.Outcome) error
	Claim(ctx context.Context, caller, key string, request []byte) (answer []byte, err error)
	Keep(ctx context.Context, caller, key string, answer []byte) error
	Free(ctx context.Context, caller, key string) error
}

// guard stands before the service, on both transports.
type guard struct {
	verifier *token.Verifier // nil: no tokens are taken
	clients  map[string]token.Caller
	limits   *limiter
	// strangers bounds the rows that refusals of unknown callers make.
	strangers *strangers
	polls     *polls
	log       auditLog
	timeout   time.Duration
	now       func() time.Time
}

// completeTime bounds the end of a row whose call has ended.
const completeTime = 5 * time.Second

type callKey struct{}

// call is what the service knows of a call beside its request, and what it finds
// out that the audit log is to say.
type call struct {
	caller token.Caller
	by     string // what shows who the caller is: token or certificate
	reason string // that the caller gives
	ticket string
	userID int64 // whom it is about; 0: as the request says
}

func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// concerns notes whom the call that ctx belongs to is about.
func concerns(ctx context.Context, userID int64) { callOf(ctx).userID = userID }

// handler serves a request. Beside an error it returns what it did before it.
type handler func(ctx context.Context, in proto.Message) (proto.Message, error)

// do serves one call: it finds out who calls, whether they may, decodes the
// request, writes the call down, and handles it. Beside an error it returns what
// was done before it, if anything was.
func (g *guard) do(ctx context.Context, name string, from origin, decode func() (proto.Message, error), handle handler) (out proto.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	defer func() { requests.Inc(from.transport, name, rpcerr.AnswerOf(err).Name) }()
	m := methods[name]
	entry := audit.Entry{Transport: from.transport, Method: name, ClientIP: text(from.ip)}
	caller, r := g.admit(from, m.scope)
	entry.Caller = caller.Name
	if r != nil {
		g.refused(ctx, entry, r)
		return nil, r
	}
	in, err := decode()
	if err != nil {
		g.write(ctx, entry, err, 0)
		return nil, err
	}
	describe(&entry, in)
	about := &call{caller: caller, by: from.by(), reason: entry.Note, ticket: entry.Ticket}
	ctx = context.WithValue(ctx, callKey{}, about)
	if !m.changes {
		out, err = safely(ctx, in, handle)
		entry.UserID = cmp.Or(entry.UserID, about.userID)
		if m.polled && err == nil && namesNobody(out) {
			silent, quiet := g.polls.pass(poll{caller: caller.Name, until: caller.Until, by: about.by, ip: from.ip, method: name})
			if quiet {
				return out, nil
			}
			if silent > 0 {
				entry.Request += fmt.Sprintf(" and %d calls before", silent)
			}
		}
		g.write(ctx, entry, err, affected(out))
		return out, err
	}
	k := keyed{g: g, caller: caller.Name, key: from.key}
	if out, r := k.claim(ctx, name, in); out != nil || r != nil {
		if r != nil {
			g.refused(ctx, entry, r)
			return nil, r
		}
		from.repeated()
		entry.Reason = replayed
		g.write(ctx, entry, nil, 0)
		return out, nil
	}
	id, err := g.log.Write(ctx, entry)
	if err != nil {
		lost.Inc()
		k.end(ctx, nil, err)
		refusals.Inc(rpcerr.ErrAuditUnwritable.Reason)
		logx.WithContext(ctx).Errorf("admin API: %s by %s was not done, since it could not be written down: %v", name, caller.Name, err)
		return nil, &refusal{answer: rpcerr.ErrAuditUnwritable}
	}
	out, err = safely(ctx, in, handle)
	ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), completeTime)
	defer cancel()
	if failure := g.log.Complete(ended, id, outcome(in, out, err, cmp.Or(entry.UserID, about.userID))); failure != nil {
		lost.Inc()
		logx.WithContext(ctx).Errorf("admin API: %s by %s was done: %v", name, caller.Name, failure)
	}
	k.end(ended, out, err)
	return out, err
}

// admit tells who calls and whether they may.
func (g *guard) admit(from origin, scope token.Scope) (token.Caller, *refusal) {
	caller, r := g.identify(from)
	if r != nil {
		return caller, g.limited(from, r)
	}
	if r := g.limits.take("name:" + caller.Name); r != nil {
		return caller, g.exhausted(r)
	}
	if scope != "" && !caller.May(scope) {
		return caller, &refusal{answer: rpcerr.ErrScopeMissing.With(scope)}
	}
	return caller, nil
}

// limited refuses with r, or, when the address is refused too often, for that.
func (g *guard) limited(from origin, r *refusal) *refusal {
	if often := g.limits.take("address:" + network(from.ip)); often != nil {
		return g.exhausted(often)
	}
	return r
}

func (g *guard) exhausted(r *refusal) *refusal {
	r.answer = rpcerr.ErrTooManyCalls.With(r.wait)
	return r
}

// refused counts a refusal and writes it down.
func (g *guard) refused(ctx context.Context, e audit.Entry, r *refusal) {
	refusals.Inc(r.answer.Reason)
	silent, quiet := r.silent, r.quiet
	if e.Caller == "" {
		silent, quiet = g.strangers.pass(r.quiet)
	}
	if quiet {
		return
	}
	if silent > 0 {
		e.Request = fmt.Sprintf("and %d calls before", silent)
	}
	e.Reason = r.answer.Reason
	g.write(ctx, e, r, 0)
}

// write adds a whole row. Its failure changes no answer.
func (g *guard) write(ctx context.Context, e audit.Entry, err error, n int) {
	e.Code, e.Affected = rpcerr.AnswerOf(err).Name, n
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completeTime)
	defer cancel()
	if _, err := g.log.Write(ctx, e); err != nil {
		lost.Inc()
		logx.WithContext(ctx).Errorf("admin API: %s by %q from %s (%s) is not in the audit log: %v", e.Method, e.Caller, e.ClientIP, e.Code, err)
	}
}

// safely turns a panic into an answer: the row of a change gets its end.
func safely(ctx context.Context, in proto.Message, handle handler) (out proto.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			logx.WithContext(ctx).Errorf("admin API: panic: %v\n%s", p, debug.Stack())
			out, err = nil, rpcerr.ErrFaultHere
		}
	}()
	return handle(ctx, in)
}

// describe says in a row what was asked. Requests hold no secrets.
func describe(e *audit.Entry, in proto.Message) {
	if about, ok := in.(interface{ GetUserId() int64 }); ok {
		e.UserID = about.GetUserId()
	}
	if about, ok := in.(interface{ GetHash() int64 }); ok {
		e.Hash = about.GetHash()
	}
	if said, ok := in.(interface{ GetReason() string }); ok {
		e.Note = said.GetReason()
	}
	if said, ok := in.(interface{ GetTicket() string }); ok {
		e.Ticket = said.GetTicket()
	}
	e.Request = string(encode(protojson.MarshalOptions{UseProtoNames: true}, in))
}

// encode is JSON without the white space that protojson varies.
func encode(o protojson.MarshalOptions, m proto.Message) []byte {
	text, err := o.Marshal(m)
	if err != nil { // a text that is no UTF-8
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return nil
	}
	return b.Bytes()
}

// affected counts the logins, or the rows, that a list holds.
func affected(out proto.Message) int {
	switch list := out.(type) {
	case *pb.ListSessionsReply:
		return len(list.GetSessions())
	case *pb.ListAuditReply:
		return len(list.GetEntries())
	}
	return 0
}

// endedIn are the logins that a call ended, whether it succeeded or not.
func endedIn(in, out proto.Message) []*pb.EndedSession {
	if dry, ok := in.(interface{ GetDryRun() bool }); ok && dry.GetDryRun() {
		return nil
	}
	switch done := out.(type) {
	case *pb.RevokeMatchingReply:
		return done.GetSessions()
	case interface{ GetEnded() []*pb.EndedSession }:
		return done.GetEnded()
	}
	return nil
}

// outcome is what came of a change.
func outcome(in, out proto.Message, err error, userID int64) audit.Outcome {
	ended := endedIn(in, out)
	o := audit.Outcome{Code: rpcerr.AnswerOf(err).Name, UserID: userID, Ended: make([]audit.Ended, len(ended))}
	if erased, ok := out.(*pb.EraseUserReply); ok && erased != nil { // whose logins are not named
		o.Counts = string(encode(protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}, erased))
		if dry, ok := in.(*pb.EraseUserRequest); ok && !dry.GetDryRun() {
			o.Others = int(erased.GetSessions() + erased.GetHistory())
		}
	}
	if retried, ok := out.(*pb.RetryDeadLettersReply); ok && !in.(*pb.RetryDeadLettersRequest).GetDryRun() {
		o.Others = int(retried.GetCount())
	}
	if purged, ok := out.(*pb.PurgeDeadLettersReply); ok && !in.(*pb.PurgeDeadLettersRequest).GetDryRun() {
		o.Others = int(purged.GetCount())
	}
	for i, e := range ended {
		o.Ended[i] = audit.Ended{UserID: e.GetUserId(), Hash: e.GetHash()}
	}
	return o
}
