package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// user logs in and returns the key, a device of the user's of its own: updates
// go to the session of a device that was used last, whichever check's it is.
func (p *probe) user() *wire.Key { return p.userOn(deviceModel) }

// userOn does the same on a device of some model.
func (p *probe) userOn(model string) *wire.Key {
	if p.target.Phone == "" {
		p.skip("needs --phone and --code")
	}
	s, outcome := p.logIn(p.target.Phone, model)
	if e, refused := asError(outcome); refused {
		p.fail("auth.authorization", "rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
	}
	return s.Key
}

// logIn enters the code of a phone number on a new device, signs up where there
// is no account, and returns what that led to: a login or an error.
func (p *probe) logIn(phone, model string) (s *session, outcome []byte) {
	s = p.sessionOf(p.newKey(0))
	return s, s.enter(phone, model)
}

// enter enters the code of a phone number in a session.
func (s *session) enter(phone, model string) (outcome []byte) {
	p := s.p
	p.target.logins.Lock() // a new code replaces the one before
	defer p.target.logins.Unlock()
	q := initConnection(&tg.AuthSendCodeRequest{PhoneNumber: phone, APIID: 4, APIHash: "014b35b6184100b085b0d0572f9b5103"})
	q.DeviceModel = model
	sent, err := tg.DecodeAuthSentCode(&bin.Buffer{Buf: s.result(s.call(&tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: q}))})
	p.must("auth.sentCode", err)
	code, ok := sent.(*tg.AuthSentCode)
	p.check(ok, "auth.sentCode", "%s", sent.TypeName())
	sign := &tg.AuthSignInRequest{PhoneNumber: phone, PhoneCodeHash: code.PhoneCodeHash}
	sign.SetPhoneCode(p.target.Code)
	outcome = s.outcome(s.call(sign))
	if (wire.Message{Body: outcome}).Type() == tg.AuthAuthorizationSignUpRequiredTypeID {
		outcome = s.outcome(s.call(&tg.AuthSignUpRequest{PhoneNumber: phone, PhoneCodeHash: code.PhoneCodeHash, FirstName: "Conformance"}))
	}
	if m := (wire.Message{Body: outcome}); m.Type() != tg.AuthAuthorizationTypeID && m.Type() != mt.RPCErrorTypeID {
		p.fail("auth.authorization", "%s", name(m.Type()))
	}
	return outcome
}

// loginOn finds the hash of the user's login on a device of a model.
func (s *session) loginOn(model string) int64 {
	var list tg.AccountAuthorizations
	if decode(s.outcome(s.call(initialised(&tg.AccountGetAuthorizationsRequest{}))), &list) == nil {
		for _, a := range list.Authorizations {
			if a.DeviceModel == model {
				return a.Hash
			}
		}
	}
	s.p.skip("account.getAuthorizations does not tell of a login which device it is on")
	return 0
}

// end ends the user's login on a device of a model.
func (s *session) end(model string) {
	id := s.call(&tg.AccountResetAuthorizationRequest{Hash: s.loginOn(model)})
	if e, refused := asError(s.outcome(id)); refused {
		s.p.skip(fmt.Sprintf("a new login may not end others: rpc_error %d %s", e.ErrorCode, e.ErrorMessage))
	}
}

// ended calls until it is refused, for the session's login was ended. The word
// may take a moment to every part of the server. ERR-1 is what a login that was
// removed gets, whoever did it.
func (s *session) ended() {
	p := s.p
	for deadline := time.Now().Add(p.target.Patience); ; p.wait(silence / 10) {
		e, refused := asError(s.outcome(s.call(personal)))
		if refused {
			p.check(e.ErrorCode == 401 && (e.ErrorMessage == "SESSION_REVOKED" || e.ErrorMessage == "AUTH_KEY_UNREGISTERED"),
				"rpc_error 401 SESSION_REVOKED or AUTH_KEY_UNREGISTERED", "%d %s", e.ErrorCode, e.ErrorMessage)
			return
		}
		p.check(time.Now().Before(deadline), "rpc_error 401", "results for %s", p.target.Patience)
	}
}

const passwordNeeded = "SESSION_PASSWORD_NEEDED"

var loginChecks = []check{
	{rules: "ERR-4", title: "a login that its user ends on another device", run: func(p *probe) {
		model := fmt.Sprintf("Conformance %016x", uint64(wire.RandomLong()))
		ended, owner := p.sessionOf(p.userOn(model)), p.sessionOf(p.user())
		ended.result(ended.call(personal))
		owner.end(model)
		ended.ended()
	}},
	{rules: "ERR-6", title: "a login that waits for its password", run: func(p *probe) {
		phone := p.target.PasswordPhone
		if phone == "" {
			p.skip("needs --password-phone")
		}
		s, outcome := p.logIn(phone, deviceModel)
		e, refused := asError(outcome)
		if !refused { // whoever has just signed up owes nothing, their next device does
			s, outcome = p.logIn(phone, deviceModel)
			e, refused = asError(outcome)
		}
		if !refused {
			p.skip("the account of --password-phone has no password")
		}
		p.check(e.ErrorCode == 401 && strings.HasPrefix(e.ErrorMessage, passwordNeeded), "rpc_error 401 "+passwordNeeded, "%d %s", e.ErrorCode, e.ErrorMessage)
		s.refused(s.call(personal), 401, passwordNeeded)
		s.result(s.call(nearestDC))
		s.reconnect()
		s.refused(s.call(personal), 401, passwordNeeded)
	}},
}
