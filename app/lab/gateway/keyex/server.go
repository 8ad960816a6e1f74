package keyex

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"time"

	"github.com/gotd/td/crypto"
)

// KeyType is what a key may be used for, numbered as in AuthKeyInfo.
type KeyType int32

// The key types of an exchange.
const (
	Perm      KeyType = 0
	Temp      KeyType = 1
	MediaTemp KeyType = 2
)

// NewKey is what an exchange ends with.
type NewKey struct {
	Key  crypto.AuthKey
	Type KeyType
	// Salt is the first server salt, good at once (KEY-21).
	Salt int64
	// ExpiresIn is the life of a temporary key as the client asked for it;
	// zero for a permanent one.
	ExpiresIn time.Duration
}

// Register stores a new key before the client hears of it. An error makes the
// client try once more with another one (dh_gen_retry): the id may be taken.
type Register func(ctx context.Context, key NewKey) error

// Config of a Server.
type Config struct {
	// Key is the 2048 bit RSA key clients know the public half of.
	Key *rsa.PrivateKey
	// DC is the id of this data centre. A client that asks for another one,
	// or for the other environment, is turned away with -444.
	DC int
	// Test tells that this is a test environment, whose ids count from 10000.
	Test bool
	// Register takes the keys.
	Register Register
	// PrimeBits is the length of the two primes a client has to find, its
	// proof of work. Zero means 31; tests may do with less.
	PrimeBits int
	// Rand defaults to crypto/rand.
	Rand io.Reader
	// Now defaults to time.Now. Clients set their clocks by it.
	Now func() time.Time
}

// Server holds what the exchanges of all clients share. It is immutable.
type Server struct {
	cfg         Config
	fingerprint int64
}

// NewServer checks the configuration.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Key == nil || cfg.Key.N.BitLen() != crypto.RSAKeyBits {
		return nil, fmt.Errorf("keyex: an RSA key of %d bits is needed", crypto.RSAKeyBits)
	}
	if cfg.DC <= 0 || cfg.Register == nil {
		return nil, fmt.Errorf("keyex: DC and Register are needed")
	}
	if cfg.PrimeBits == 0 {
		cfg.PrimeBits = maxPrimeBits
	}
	if cfg.PrimeBits < 16 || cfg.PrimeBits > maxPrimeBits {
		return nil, fmt.Errorf("keyex: primes of %d bits", cfg.PrimeBits)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Server{cfg: cfg, fingerprint: crypto.RSAFingerprint(&cfg.Key.PublicKey)}, nil
}

// Fingerprint names the server's RSA key (KEY-5).
func (s *Server) Fingerprint() int64 { return s.fingerprint }

// NewExchange returns the exchange of one connection.
func (s *Server) NewExchange() *Exchange { return &Exchange{srv: s} }

// Transport error codes an exchange ends with.
const (
	CodeNotFound = -404 // anything wrong with a handshake query
	CodeWrongDC  = -444
)

// Error says which transport error to send. The connection may go on with a
// new run.
type Error struct {
	Code   int32
	Reason string
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("keyex: %s (%d)", e.Reason, e.Code)
	}
	return fmt.Sprintf("keyex: %s (%d): %v", e.Reason, e.Code, e.Err)
}

// Unwrap returns the cause, if any.
func (e *Error) Unwrap() error { return e.Err }

func refuse(reason string, cause error) *Error {
	return &Error{Code: CodeNotFound, Reason: reason, Err: cause}
}
