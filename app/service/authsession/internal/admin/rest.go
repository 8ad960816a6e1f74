package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/zeromicro/go-zero/core/service"
	"github.com/zeromicro/go-zero/rest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

const overREST = "rest"

// restHandler puts the routes behind go-zero's traces, metrics and recovery.
// Its log is left out, since it writes whole requests, tokens and all, when
// something fails; its limits are ours.
func restHandler(base service.ServiceConf, g *guard, s *impl) (http.Handler, error) {
	base.Shutdown = service.ServiceConf{}.Shutdown // stays as it is
	c := rest.RestConf{ServiceConf: base}
	c.Middlewares.Trace, c.Middlewares.Prometheus, c.Middlewares.Recover = true, true, true
	server, err := rest.NewServer(c,
		rest.WithNotFoundHandler(failing(rpcerr.ErrNoSuchPath)),
		rest.WithNotAllowedHandler(http.HandlerFunc(notAllowed)))
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		server.AddRoute(rest.Route{Method: r.verb, Path: r.path, Handler: g.route(r, s)})
	}
	server.AddRoute(rest.Route{Method: http.MethodGet, Path: exportPath, Handler: g.export(s)})
	documents, err := describeAPI()
	if err != nil {
		return nil, err
	}
	for path, document := range documents {
		server.AddRoute(rest.Route{Method: http.MethodGet, Path: path, Handler: document.serve})
	}
	all, err := rest.NewServerless(server)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		all.Serve(w, r)
	}), nil
}

// route serves one of the routes through the guard.
func (g *guard) route(r route, s *impl) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		from := origin{
			transport: overREST, authorization: request.Header.Values("Authorization"),
			certificate: verified(request.TLS), ip: address(request.RemoteAddr),
			key: request.Header.Values(idempotencyKey), repeated: func() { w.Header().Set(idempotencyReplayed, "true") },
		}
		var in proto.Message
		out, err := g.do(request.Context(), r.method, from,
			func() (proto.Message, error) {
				p := newParams(request)
				in = r.decode(p)
				return in, p.done()
			},
			func(ctx context.Context, in proto.Message) (proto.Message, error) { return r.call(s, ctx, in) })
		switch {
		case err != nil:
			fail(w, err, endedIn(in, out))
		case r.silent:
			w.WriteHeader(http.StatusNoContent)
		default:
			body := encode(protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}, out)
			if body == nil {
				fail(w, rpcerr.ErrAnswerUnwritable, endedIn(in, out))
				return
			}
			reply(w, http.StatusOK, body)
		}
	}
}

// fail answers with an error, and with what was ended before it.
func fail(w http.ResponseWriter, err error, ended []*pb.EndedSession) {
	a := rpcerr.AnswerOf(err)
	if r := (*refusal)(nil); errors.As(err, &r) {
		switch r.answer.Code {
		case codes.Unauthenticated:
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		case codes.PermissionDenied:
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		case codes.ResourceExhausted:
			w.Header().Set("Retry-After", strconv.Itoa(int(r.wait.Seconds())))
		}
	}
	body := failure(a.Name, status.Convert(err).Message())
	for _, e := range ended {
		body.Ended = append(body.Ended, endedBody{UserID: e.GetUserId(), Hash: e.GetHash()})
	}
	body.reply(w, a.HTTP)
}

// failureBody is the body of an answer that is an error.
type failureBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Ended []endedBody `json:"ended,omitempty"` // before the error
}

type endedBody struct {
	UserID int64 `json:"user_id,string"`
	Hash   int64 `json:"hash,string"`
}

func failure(name, message string) (b failureBody) {
	b.Error.Code, b.Error.Message = name, message
	return b
}

func (b failureBody) reply(w http.ResponseWriter, code int) {
	text, _ := json.Marshal(b)
	reply(w, code, text)
}

// failing answers with one error, whatever the request.
func failing(err *rpcerr.Error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fail(w, err, nil) }
}

func reply(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// notAllowed answers for a path that other verbs are for.
func notAllowed(w http.ResponseWriter, r *http.Request) {
	var verbs []string
	for _, route := range routes {
		if matches(route.path, r.URL.Path) {
			verbs = append(verbs, route.verb)
		}
	}
	if len(verbs) == 0 {
		verbs = []string{http.MethodGet} // a document, or the export
	}
	slices.Sort(verbs)
	w.Header().Set("Allow", strings.Join(verbs, ", "))
	failing(rpcerr.ErrOtherVerb.With(strings.Join(verbs, " or ")))(w, r)
}

// matches holds a path against one as routes has it.
func matches(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(want) != len(have) {
		return false
	}
	for i, segment := range want {
		if !strings.HasPrefix(segment, ":") && segment != have[i] {
			return false
		}
	}
	return true
}
