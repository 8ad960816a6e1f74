package bff

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"go.uber.org/zap"

	"github.com/tgsession/tgsession/proto/authsession"
)

const (
	codeTimeout  = 60 // seconds until a client may ask for another code
	maxLogins    = 1 << 16
	minPhone     = 5 // digits
	maxPhone     = 15
	maxFirstName = 64
	tokenLife    = 30 // seconds that the token of a QR code is good
)

func (s *Server) registerAuth() {
	s.methods.OnAuthSendCode(s.sendCode)
	s.methods.OnAuthResendCode(s.resendCode)
	s.methods.OnAuthCancelCode(s.cancelCode)
	s.methods.OnAuthExportLoginToken(s.exportLoginToken)
	s.methods.OnAuthSignIn(s.signIn)
	s.methods.OnAuthSignUp(s.signUp)
	s.methods.OnAuthLogOut(s.logOut)
	s.methods.OnAuthResetAuthorizations(s.resetAuthorizations)
}

func (s *Server) sendCode(_ context.Context, r *tg.AuthSendCodeRequest) (tg.AuthSentCodeClass, error) {
	return s.sentCode(digits(r.PhoneNumber))
}

// resendCode sends another code, under another hash.
func (s *Server) resendCode(_ context.Context, r *tg.AuthResendCodeRequest) (tg.AuthSentCodeClass, error) {
	phone := digits(r.PhoneNumber)
	if l, ok := s.store.login(phone); !ok || !same(l.hash, r.PhoneCodeHash) {
		return nil, tgerr.New(400, "PHONE_CODE_EXPIRED")
	}
	return s.sentCode(phone)
}

func (s *Server) cancelCode(_ context.Context, r *tg.AuthCancelCodeRequest) (bool, error) {
	phone := digits(r.PhoneNumber)
	if l, ok := s.store.login(phone); !ok || !same(l.hash, r.PhoneCodeHash) {
		return false, tgerr.New(400, "PHONE_CODE_EXPIRED")
	}
	s.store.endLogin(phone)
	return true, nil
}

// exportLoginToken gives a token for a QR code. Nobody can accept it: the demo
// lets clients log in by code, and some ask for a token first.
func (s *Server) exportLoginToken(context.Context, *tg.AuthExportLoginTokenRequest) (tg.AuthLoginTokenClass, error) {
	return &tg.AuthLoginToken{Expires: now() + tokenLife, Token: randomBytes(32)}, nil
}

func (s *Server) sentCode(phone string) (tg.AuthSentCodeClass, error) {
	if len(phone) < minPhone || len(phone) > maxPhone {
		return nil, tgerr.New(400, "PHONE_NUMBER_INVALID")
	}
	hash := rand.Text()
	if !s.store.expectLogin(phone, hash) {
		return nil, tgerr.New(420, "FLOOD_WAIT_"+strconv.Itoa(codeTimeout))
	}
	return &tg.AuthSentCode{
		Type:          &tg.AuthSentCodeTypeApp{Length: len(s.cfg.Code)},
		PhoneCodeHash: hash,
		Timeout:       codeTimeout,
	}, nil
}

func (s *Server) signIn(ctx context.Context, r *tg.AuthSignInRequest) (tg.AuthAuthorizationClass, error) {
	phone := digits(r.PhoneNumber)
	switch l, ok := s.store.login(phone); {
	case r.PhoneCode == "":
		return nil, tgerr.New(400, "PHONE_CODE_EMPTY")
	case !ok || !same(l.hash, r.PhoneCodeHash):
		return nil, tgerr.New(400, "PHONE_CODE_EXPIRED")
	case !same(r.PhoneCode, s.cfg.Code):
		return nil, tgerr.New(400, "PHONE_CODE_INVALID")
	}
	a := s.store.byPhone(phone)
	if a == nil {
		s.store.verifyLogin(phone)
		return &tg.AuthAuthorizationSignUpRequired{}, nil
	}
	s.store.endLogin(phone)
	// Like a stock BFF: bound before the password is asked for, and without
	// looking at the outcome.
	if err := s.bind(ctx, a); err != nil {
		s.cfg.Logger.Warn("bff: bind at sign-in", zap.Int64("user", a.id), zap.Error(err))
	}
	if s.verifiers[phone] != nil {
		s.store.owePassword(caller(ctx).GetPermAuthKeyId(), a)
		return nil, tgerr.New(401, "SESSION_PASSWORD_NEEDED_"+strconv.FormatInt(a.id, 10))
	}
	return authorization(a), nil
}

func (s *Server) signUp(ctx context.Context, r *tg.AuthSignUpRequest) (tg.AuthAuthorizationClass, error) {
	phone := digits(r.PhoneNumber)
	switch l, ok := s.store.login(phone); {
	case !ok || !same(l.hash, r.PhoneCodeHash):
		return nil, tgerr.New(400, "PHONE_CODE_EXPIRED")
	case !l.verified:
		return nil, tgerr.New(400, "PHONE_CODE_INVALID")
	case r.FirstName == "" || len(r.FirstName) > maxFirstName:
		return nil, tgerr.New(400, "FIRSTNAME_INVALID")
	}
	a := s.store.signUp(phone, r.FirstName, r.LastName)
	if a == nil {
		return nil, tgerr.New(400, "PHONE_NUMBER_OCCUPIED")
	}
	s.store.endLogin(phone)
	if err := s.bind(ctx, a); err != nil {
		s.cfg.Logger.Warn("bff: bind at sign-up", zap.Int64("user", a.id), zap.Error(err))
		return nil, errInternal
	}
	return authorization(a), nil
}

// AddUser makes an account as if phone had signed up under that name, and
// returns the user's id. An error says that the number cannot be used or has an
// account.
func (s *Server) AddUser(phone, firstName string) (int64, error) {
	phone = digits(phone)
	if len(phone) < minPhone || len(phone) > maxPhone {
		return 0, fmt.Errorf("bff: no phone number: %q", phone)
	}
	a := s.store.signUp(phone, firstName, "")
	if a == nil {
		return 0, fmt.Errorf("bff: %s has an account", phone)
	}
	return a.id, nil
}

func (s *Server) logOut(ctx context.Context) (*tg.AuthLoggedOut, error) {
	who := caller(ctx)
	s.store.forgivePassword(who.GetPermAuthKeyId())
	_, err := s.sessions.AuthsessionUnbindAuthKeyUser(ctx, &authsession.TLAuthsessionUnbindAuthKeyUser{
		AuthKeyId: who.GetPermAuthKeyId(),
		UserId:    who.GetUserId(),
	})
	if err != nil {
		return nil, err // authsession's status is the answer
	}
	return &tg.AuthLoggedOut{}, nil
}

// bind makes the caller's key one of a's.
func (s *Server) bind(ctx context.Context, a *account) error {
	_, err := s.sessions.AuthsessionBindAuthKeyUser(ctx, &authsession.TLAuthsessionBindAuthKeyUser{
		AuthKeyId: caller(ctx).GetPermAuthKeyId(),
		UserId:    a.id,
	})
	return err
}

func authorization(a *account) *tg.AuthAuthorization {
	return &tg.AuthAuthorization{User: a.user(a)}
}

// expectLogin remembers that phone gets a code, under hash; a new one
// replaces the old. It reports false when too many are on their way.
func (s *store) expectLogin(phone, hash string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.logins[phone]; !again && len(s.logins) >= maxLogins {
		return false
	}
	s.logins[phone] = login{hash: hash}
	return true
}

func (s *store) login(phone string) (l login, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok = s.logins[phone]
	return l, ok
}

// verifyLogin notes that the code was right.
func (s *store) verifyLogin(phone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.logins[phone]; ok {
		l.verified = true
		s.logins[phone] = l
	}
}

func (s *store) endLogin(phone string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, phone)
}

// digits is what a phone number is known by.
func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
