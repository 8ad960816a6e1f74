package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

const (
	// MinSecret is the shortest HMAC key, in bytes: as long as the digest
	// (RFC 7518, 3.2).
	MinSecret = 32
	minRSA    = 2048 // bits
)

// Key checks tokens by the one algorithm it is for. An HMAC key makes them,
// too.
type Key struct {
	algorithm string
	verify    any // as jwt wants it
}

// Format prints the algorithm, whatever the verb: keys are secrets.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.algorithm+" key") }

// Algorithm is the key's: HS256, RS256, ES256 or EdDSA.
func (k Key) Algorithm() string { return k.algorithm }

// HMACKey makes a key for HS256 of a file's content: all its bytes, but for
// white space around them.
func HMACKey(content []byte) (Key, error) {
	secret := bytes.TrimSpace(content)
	switch {
	case len(secret) < MinSecret:
		return Key{}, fmt.Errorf("holds %d bytes, fewer than %d", len(secret), MinSecret)
	case bytes.Contains(secret, []byte("-----BEGIN")):
		return Key{}, errors.New("is a PEM file: what is public would be a secret")
	case len(distinct(secret)) < 8:
		return Key{}, errors.New("holds hardly any different bytes")
	}
	return Key{algorithm: "HS256", verify: bytes.Clone(secret)}, nil
}

func distinct(b []byte) map[byte]bool {
	seen := map[byte]bool{}
	for _, c := range b {
		seen[c] = true
	}
	return seen
}

// PublicKey makes a key of a PEM file that holds a public key or
// a certificate: RSA of 2048 bits or more for RS256, P-256 for ES256, Ed25519
// for EdDSA.
func PublicKey(content []byte) (Key, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return Key{}, errors.New("is not PEM")
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	default:
		return Key{}, fmt.Errorf("holds a %s, not a public key", block.Type)
	}
	if err != nil {
		return Key{}, fmt.Errorf("holds no public key that can be read: %w", err)
	}
	return publicKey(public)
}

func publicKey(public any) (Key, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSA {
			return Key{}, fmt.Errorf("is RSA of %d bits, fewer than %d", public.N.BitLen(), minRSA)
		}
		return Key{algorithm: "RS256", verify: public}, nil
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return Key{algorithm: "ES256", verify: public}, nil
		}
	case ed25519.PublicKey:
		return Key{algorithm: "EdDSA", verify: public}, nil
	}
	return Key{}, errors.New("holds a key that is neither RSA, P-256 nor Ed25519")
}
