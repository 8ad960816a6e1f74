package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// jwk is a public key of a set (RFC 7517); only what is needed for the kinds of
// keys that PublicKey takes.
type jwk struct {
	Kty, Kid, Use, Crv string
	N, E, X, Y         string
}

// maxKeys bounds a set.
const maxKeys = 100

// JWKS reads a JSON Web Key Set: public keys by their kid. Keys of other kinds, for
// encryption or without a kid are passed over; a set without any that is left is an
// error.
func JWKS(content []byte) (map[string]Key, error) {
	var set struct{ Keys []jwk }
	if err := json.Unmarshal(content, &set); err != nil {
		return nil, errors.New("is no JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("holds more than %d keys", maxKeys)
	}
	keys := map[string]Key{}
	for _, k := range set.Keys {
		if k.Kid == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		public, err := k.public()
		if err != nil {
			return nil, fmt.Errorf("holds a key %q that cannot be read: %w", k.Kid, err)
		}
		if public == nil {
			continue
		}
		key, err := publicKey(public)
		if err != nil {
			return nil, fmt.Errorf("holds a key %q that %w", k.Kid, err)
		}
		keys[k.Kid] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("holds no key for signatures that has a kid")
	}
	return keys, nil
}

// public is nil for a kind that is not known.
func (k *jwk) public() (any, error) {
	switch {
	case k.Kty == "RSA":
		n, err := number(k.N)
		if err != nil {
			return nil, err
		}
		e, err := number(k.E)
		if err != nil {
			return nil, err
		}
		if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil, errors.New("its exponent is out of bounds")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case k.Kty == "EC" && k.Crv == "P-256":
		x, err := coordinate(k.X)
		if err != nil {
			return nil, err
		}
		y, err := coordinate(k.Y)
		if err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	case k.Kty == "OKP" && k.Crv == "Ed25519":
		x, err := coordinate(k.X)
		return ed25519.PublicKey(x), err
	}
	return nil, nil
}

func number(text string) (*big.Int, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || len(b) > 1024 {
		return nil, errors.New("a number of it is missing or too long")
	}
	return new(big.Int).SetBytes(b), nil
}

// coordinate is one of 32 bytes.
func coordinate(text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 32 {
		return nil, errors.New("a coordinate of it has not 32 bytes")
	}
	return b, nil
}
