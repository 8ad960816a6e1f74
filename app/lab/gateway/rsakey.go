package gateway

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gotd/td/crypto"
)

const (
	pemPrivate = "RSA PRIVATE KEY"
	pemPublic  = "RSA PUBLIC KEY"
)

// LoadKey reads the RSA key of the key exchange from a PEM file, or makes one
// there when the file is missing: clients that know it go on knowing it. Only
// the owner may read the file.
func LoadKey(path string) (*rsa.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemPrivate {
		return nil, fmt.Errorf("gateway: %s holds no %s", path, pemPrivate)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("gateway: %s: %w", path, err)
	}
	return key, nil
}

func makeKey(path string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, crypto.RSAKeyBits)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	raw := pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	return key, nil
}

// PublicPEM is the public half in the form clients are built with.
func PublicPEM(key *rsa.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: x509.MarshalPKCS1PublicKey(key)})
}
