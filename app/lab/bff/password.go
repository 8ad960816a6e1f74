package bff

import (
	"context"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
)

// The second factor. A stock BFF does not serve the group of these methods
// (RPCTwoFa): session asks here only when its IDMap says so.

func (s *Server) registerPassword() {
	s.methods.OnAccountGetPassword(s.getPassword)
	s.methods.OnAuthCheckPassword(s.checkPassword)
}

func (s *Server) getPassword(ctx context.Context) (*tg.AccountPassword, error) {
	a := s.passwordOwner(ctx)
	if a == nil {
		return nil, errLogin
	}
	algo := newAlgo()
	out := &tg.AccountPassword{
		NewAlgo:       &algo,
		NewSecureAlgo: &tg.SecurePasswordKdfAlgoPBKDF2HMACSHA512iter100000{Salt: randomBytes(8)},
		SecureRandom:  randomBytes(256),
	}
	v := s.verifiers[a.phone]
	if v == nil {
		return out, nil
	}
	c := v.challenge()
	s.store.challengePassword(caller(ctx).GetPermAuthKeyId(), c)
	current := v.algo
	out.HasPassword, out.CurrentAlgo, out.SRPB, out.SRPID = true, &current, dhgroup.Pad(c.gb), c.id
	return out, nil
}

func (s *Server) checkPassword(ctx context.Context, in tg.InputCheckPasswordSRPClass) (tg.AuthAuthorizationClass, error) {
	a := s.passwordOwner(ctx)
	if a == nil {
		return nil, errLogin
	}
	proof, ok := in.(*tg.InputCheckPasswordSRP)
	if !ok {
		return nil, tgerr.New(400, "PASSWORD_HASH_INVALID")
	}
	key := caller(ctx).GetPermAuthKeyId()
	c := s.store.takeChallenge(key)
	switch {
	case c == nil || c.id != proof.SRPID:
		return nil, tgerr.New(400, "SRP_ID_INVALID")
	case !c.proves(proof.A, proof.M1):
		return nil, tgerr.New(400, "PASSWORD_HASH_INVALID")
	}
	s.store.forgivePassword(key)
	return authorization(a), nil
}

// passwordOwner is whose password the caller's key is about: of the login
// that waits for it, else of the user it is logged in as.
func (s *Server) passwordOwner(ctx context.Context) *account {
	if a := s.store.owes(caller(ctx).GetPermAuthKeyId()); a != nil {
		return a
	}
	return s.store.account(caller(ctx).GetUserId())
}

// owePassword notes that the login of a key waits for the password.
func (s *store) owePassword(key int64, a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owing[key] = a
}

// owes is whose password a key waits for; nil when for none.
func (s *store) owes(key int64) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owing[key]
}

// forgivePassword ends the wait.
func (s *store) forgivePassword(key int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owing, key)
	delete(s.challenges, key)
}

func (s *store) challengePassword(key int64, c *challenge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.challenges[key] = c
}

// takeChallenge returns the challenge of a key, which is good for one try.
func (s *store) takeChallenge(key int64) *challenge {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.challenges[key]
	delete(s.challenges, key)
	return c
}
