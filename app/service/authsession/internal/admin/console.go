package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/console"
	"github.com/tgsession/tgsession/app/service/authsession/internal/oidclogin"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
)

const (
	// signInPath is where the console asks for the way to the issuer, and hands in
	// what has come back from there.
	signInPath = console.Prefix + "oidc"
	// signIn is what the audit log and the metrics call that.
	signIn = "SignIn"
)

// withConsole serves the session console beside the API.
func (g *guard) withConsole(api http.Handler, c config.Admin, keys func() token.Keys) (http.Handler, error) {
	pages, err := console.New(c.OIDC.Enabled())
	if err != nil {
		return nil, err
	}
	var login *oidclogin.Login
	if c.OIDC.Enabled() {
		login = oidclogin.New(c.OIDC.Settings(), g.minter(c, keys), g.now)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case login != nil && r.URL.Path == signInPath:
			g.serveSignIn(w, r, login)
		case console.Serves(r.URL.Path):
			pages.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	}), nil
}

// minter makes tokens as authsession ctl token does, with the key of the moment.
func (g *guard) minter(c config.Admin, keys func() token.Keys) oidclogin.Mint {
	life := c.OIDC.Life
	if most := c.Tokens.MaxLife; most > 0 {
		life = min(life, most)
	}
	return func(name string, scopes []token.Scope) (string, error) {
		id, key, found := keys().Signing()
		if !found {
			return "", errors.New("Admin.Tokens has no HMAC key any more")
		}
		return token.Mint(key, token.Grant{Name: name, Scopes: scopes, TTL: life, Issuer: c.Tokens.Issuer, Audience: c.Tokens.Audience, KeyID: id}, g.now())
	}
}

// serveSignIn answers GET with the way to the issuer, and POST with a token for who
// comes from there. A page of another site can send no JSON here: its browser would ask
// first, and get no leave.
func (g *guard) serveSignIn(w http.ResponseWriter, r *http.Request, login *oidclogin.Login) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	from := origin{transport: overREST, ip: address(r.RemoteAddr)}
	if often := g.limits.take("address:" + network(from.ip)); often != nil {
		fail(w, g.exhausted(often), nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	switch r.Method {
	case http.MethodGet:
		way, err := login.Way(ctx)
		g.replySignIn(ctx, w, way, err)
	case http.MethodPost:
		person, err := g.finishSignIn(ctx, r, from, login)
		g.replySignIn(ctx, w, struct {
			Token string `json:"token"`
		}{person.Token}, err)
	default:
		h.Set("Allow", "GET, POST")
		failing(rpcerr.ErrOtherVerb.With("GET or POST"))(w, r)
	}
}

func (g *guard) replySignIn(ctx context.Context, w http.ResponseWriter, answer any, err error) {
	if err != nil {
		if _, known := status.FromError(err); !known {
			logx.WithContext(ctx).Errorf("admin API: a sign-in: %v", err)
			err = rpcerr.ErrIssuerUnavailable
		}
		fail(w, err, nil)
		return
	}
	body, _ := json.Marshal(answer) // texts always marshal
	reply(w, http.StatusOK, body)
}

// finishSignIn exchanges what the console hands in, and writes down who has come or
// why nobody has.
func (g *guard) finishSignIn(ctx context.Context, r *http.Request, from origin, login *oidclogin.Login) (person oidclogin.Person, err error) {
	defer func() { requests.Inc(from.transport, signIn, rpcerr.AnswerOf(err).Name) }()
	entry := audit.Entry{Transport: overREST, Method: signIn, ClientIP: text(from.ip)}
	person, err = login.Finish(ctx, answerIn(r))
	var why oidclogin.RefusalError
	if errors.As(err, &why) {
		refused := &refusal{answer: rpcerr.SignIn(why)}
		g.refused(ctx, entry, refused)
		return person, refused
	}
	if err != nil {
		return person, err
	}
	entry.Caller = person.Name
	g.write(ctx, entry, nil, 0)
	return person, nil
}

// answerIn reads the body; what is no answer is an empty one, which is refused.
func answerIn(r *http.Request) (a oidclogin.Answer) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return a
	}
	if json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&a) != nil {
		return oidclogin.Answer{}
	}
	return a
}
