package patch

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/gotd/td/crypto"
)

// Build describes what is built into a client.
type Build struct {
	// Name is for people.
	Name string
	// Keys are the fingerprints of the RSA keys to replace, as MTProto computes
	// them (core.telegram.org/mtproto/auth_key). Each occurs once.
	Keys []uint64
	// Texts are the pieces of addresses to replace.
	Texts []Text
	// Hosts are the addresses that the client knows once it is patched, by
	// number of the data centre; Ports are those that it tries at each of them.
	Hosts map[int][]string
	Ports []int
}

// Text is one kind of replacement. Old and New have the same length.
type Text struct {
	Old, New string
	// Count is how often Old occurs.
	Count int
}

// Listen returns all addresses (host:port) at which the patched client looks
// for a data centre.
func (b Build) Listen(dc int) []string {
	var out []string
	for _, host := range b.Hosts[dc] {
		for _, port := range b.Ports {
			out = append(out, fmt.Sprintf("%s:%d", host, port))
		}
	}
	return out
}

// keyBits is the length of the keys that clients are built with.
const keyBits = 2048

// File writes a patched copy of src to dst. publicPEM is the RSA public key
// (PKCS #1, 2048 bits) that takes the place of each of b.Keys. On an error dst
// is not written.
func (b Build) File(dst, src string, publicPEM []byte) error {
	binary, err := os.ReadFile(src)
	if err != nil {
		return fmt.Errorf("patch: %s: %w", b.Name, err)
	}
	if err := b.Apply(binary, publicPEM); err != nil {
		return err
	}
	if err := os.WriteFile(dst, binary, 0o700); err != nil {
		return fmt.Errorf("patch: %s: %w", b.Name, err)
	}
	return nil
}

// Apply patches binary in place: after an error it may be patched by half.
func (b Build) Apply(binary, publicPEM []byte) error {
	var errs []error
	publicPEM = bytes.TrimSpace(publicPEM)
	switch key, err := parse(publicPEM); {
	case err != nil:
		return fmt.Errorf("patch: the key to put in: %w", err)
	case key.N.BitLen() != keyBits:
		return fmt.Errorf("patch: the key to put in has %d in place of %d bits", key.N.BitLen(), keyBits)
	}
	found := map[uint64]int{}
	for _, text := range keys(binary) {
		if len(text) != len(publicPEM) {
			continue // a key of other length, or in lines of other length
		}
		key, err := parse(text)
		if err != nil {
			continue // the marker alone, in a library that reads such files
		}
		fingerprint := uint64(crypto.RSAFingerprint(key))
		found[fingerprint]++
		if slices.Contains(b.Keys, fingerprint) {
			copy(text, publicPEM)
		}
	}
	for _, want := range b.Keys {
		if found[want] != 1 {
			errs = append(errs, fmt.Errorf("RSA key %016x occurs %d times in place of 1", want, found[want]))
		}
	}
	for _, t := range b.Texts {
		if len(t.Old) != len(t.New) {
			errs = append(errs, fmt.Errorf("%q and %q differ in length", t.Old, t.New))
			continue
		}
		if n := replace(binary, []byte(t.Old), []byte(t.New)); n != t.Count {
			errs = append(errs, fmt.Errorf("%q occurs %d times in place of %d", t.Old, n, t.Count))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("patch: this is another build of %s than the one described here: %w", b.Name, err)
	}
	return nil
}

// replace overwrites each from by to, which has the same length, and returns
// how many there were.
func replace(binary, from, to []byte) (n int) {
	for rest := binary; ; n++ {
		at := bytes.Index(rest, from)
		if at < 0 {
			return n
		}
		copy(rest[at:], to)
		rest = rest[at+len(from):]
	}
}

var (
	beginKey = []byte("-----BEGIN RSA PUBLIC KEY-----")
	endKey   = []byte("-----END RSA PUBLIC KEY-----")
)

// maxKey bounds the search for the end of a key that begins.
const maxKey = 2048

// keys finds the texts of all keys; they are parts of binary itself.
func keys(binary []byte) (out [][]byte) {
	for rest := binary; ; {
		from := bytes.Index(rest, beginKey)
		if from < 0 {
			return out
		}
		rest = rest[from:]
		window := rest[:min(len(rest), maxKey)]
		if n := bytes.Index(window, endKey); n >= 0 {
			out = append(out, window[:n+len(endKey)])
		}
		rest = rest[len(beginKey):]
	}
}

func parse(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(append(bytes.Clone(text), '\n'))
	if block == nil || block.Type != "RSA PUBLIC KEY" {
		return nil, errors.New("no RSA PUBLIC KEY in PEM")
	}
	return x509.ParsePKCS1PublicKey(block.Bytes)
}
