package bff

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// Entry is a data centre that has no accounts: clients that are built to begin
// there are sent to the one that has, as Telegram sends a client that begins at
// the wrong one.
type Entry struct {
	// DC is its number. Zero: there is none.
	DC int
	// Gateway is the host:port that help.getConfig gives to clients.
	Gateway string
	// Has tells whether an auth key was made there: keys belong to data centres,
	// and calls do not name the gateway that they came through.
	Has func(authKeyID int64) bool
}

// here is the data centre that the caller is at.
func (s *Server) here(ctx context.Context) int {
	who := caller(ctx)
	if e := s.cfg.Entry; e.DC != 0 && (e.Has(who.GetAuthId()) || e.Has(who.GetPermAuthKeyId())) {
		return e.DC
	}
	return s.cfg.DC
}

// atEntry are methods that begin a login; the error each is answered with at
// the entry, with the number of the data centre to go to.
var atEntry = map[string]string{
	"auth.sendCode":         "PHONE_MIGRATE_%d",
	"auth.signIn":           "PHONE_MIGRATE_%d",
	"auth.exportLoginToken": "NETWORK_MIGRATE_%d",
}

// migrate sends a login that begins at the entry to the data centre that has
// the accounts.
func (s *Server) migrate(ctx context.Context, method string) error {
	text, ok := atEntry[method]
	if !ok || s.here(ctx) == s.cfg.DC {
		return nil
	}
	return tgerr.New(303, fmt.Sprintf(text, s.cfg.DC))
}

// dcOptions tells where the gateways are.
func (s *Server) dcOptions() []tg.DCOption {
	out := dcOption(s.cfg.DC, s.cfg.Gateway)
	if e := s.cfg.Entry; e.DC != 0 {
		out = append(dcOption(e.DC, e.Gateway), out...)
	}
	return out
}

// maxExports bounds the exported logins that were not imported yet.
const maxExports = 1 << 12

// exports are logins on their way to another data centre, by the text that
// proves them. The zero value is empty. It is safe for concurrent use.
type exports struct {
	mu    sync.Mutex
	users map[string]*account
}

func (e *exports) put(a *account) (proof string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.users) >= maxExports {
		return "", false
	}
	if e.users == nil {
		e.users = map[string]*account{}
	}
	proof = rand.Text()
	e.users[proof] = a
	return proof, true
}

// take returns whose login a text proves, once; nil: nobody's.
func (e *exports) take(proof string) *account {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.users[proof]
	delete(e.users, proof)
	return a
}

func (s *Server) registerEntry() {
	s.methods.OnAuthExportAuthorization(s.exportAuthorization)
	s.methods.OnAuthImportAuthorization(s.importAuthorization)
}

// exportAuthorization gives a client what it needs to be logged in at the entry
// as well. TDLib asks for it again and again until it gets it, for every data
// centre that it has a key of.
func (s *Server) exportAuthorization(ctx context.Context, dc int) (*tg.AuthExportedAuthorization, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	if dc == 0 || dc != s.cfg.Entry.DC {
		return nil, tgerr.New(400, "DC_ID_INVALID")
	}
	proof, ok := s.exports.put(me)
	if !ok {
		return nil, tgerr.New(420, "FLOOD_WAIT_60")
	}
	return &tg.AuthExportedAuthorization{ID: me.id, Bytes: []byte(proof)}, nil
}

// importAuthorization says who the client is and binds nothing: the entry
// serves no account, and a key there is no device in the list of logins.
func (s *Server) importAuthorization(_ context.Context, r *tg.AuthImportAuthorizationRequest) (tg.AuthAuthorizationClass, error) {
	a := s.exports.take(string(r.Bytes))
	if a == nil || a.id != r.ID {
		return nil, tgerr.New(400, "AUTH_BYTES_INVALID")
	}
	return authorization(a), nil
}
