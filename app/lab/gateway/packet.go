package gateway

import (
	"crypto/aes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gotd/ige"
	"github.com/gotd/td/crypto"
)

const (
	keyIDLen   = 8
	envelope   = keyIDLen + 16        // auth_key_id, msg_key
	head       = 8 + 8 + 8 + 4 + 4    // salt, session_id, msg_id, seq_no, length
	minPadding = 12                   // ENC-4
	maxPadding = 1024                 //
	minPacket  = envelope + head + 16 // head and padding fill three blocks
)

var (
	// errForged: the packet was not made with the key it names. Nothing may
	// tell the sender more than that (ENC-5).
	errForged = errors.New("gateway: packet does not open")
	// errMalformed: a genuine packet whose fields contradict each other
	// (ENC-6).
	errMalformed = errors.New("gateway: malformed packet")
)

// packet is an opened packet of a client.
type packet struct {
	salt      int64
	sessionID int64
	payload   []byte // msg_id, seq_no, length, body, padding
	token     uint32 // what a quick acknowledgement says
}

// open decrypts a client's packet. padded says that the transport may have
// added up to 15 bytes that belong to no block.
func open(key *crypto.AuthKey, raw []byte, padded bool) (packet, error) {
	if padded && len(raw) > envelope {
		raw = raw[:len(raw)-(len(raw)-envelope)%aes.BlockSize]
	}
	if len(raw) < minPacket || (len(raw)-envelope)%aes.BlockSize != 0 {
		return packet{}, errForged
	}
	var msgKey [16]byte
	copy(msgKey[:], raw[keyIDLen:])
	aesKey, iv := crypto.Keys(key.Value, msgKey, crypto.Client)
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		return packet{}, err
	}
	plain := make([]byte, len(raw)-envelope)
	ige.DecryptBlocks(block, iv[:], plain, raw[envelope:])

	sum := largeKey(key, plain, crypto.Client)
	if subtle.ConstantTimeCompare(sum[8:24], msgKey[:]) != 1 {
		return packet{}, errForged
	}
	le := binary.LittleEndian
	p := packet{
		salt:      int64(le.Uint64(plain)),
		sessionID: int64(le.Uint64(plain[8:])),
		payload:   plain[16:],
		token:     le.Uint32(sum[:]) | 1<<31,
	}
	length := le.Uint32(plain[28:])
	rest := uint64(len(plain) - head)
	if length%4 != 0 || uint64(length)+minPadding > rest || rest-uint64(length) > maxPadding || p.sessionID == 0 {
		return packet{}, errMalformed
	}
	return p, nil
}

// seal encrypts a payload as session made it: salt, session_id, msg_id,
// seq_no, length, body.
func seal(key *crypto.AuthKey, payload []byte) ([]byte, error) {
	if len(payload) < head || len(payload)%4 != 0 {
		return nil, fmt.Errorf("gateway: payload of %d bytes", len(payload))
	}
	pad := minPadding + (aes.BlockSize-(len(payload)+minPadding)%aes.BlockSize)%aes.BlockSize
	plain := make([]byte, len(payload)+pad)
	copy(plain, payload)
	_, _ = rand.Read(plain[len(payload):]) // never fails

	sum := largeKey(key, plain, crypto.Server)
	var msgKey [16]byte
	copy(msgKey[:], sum[8:24])
	aesKey, iv := crypto.Keys(key.Value, msgKey, crypto.Server)
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, envelope+len(plain))
	copy(out, key.ID[:])
	copy(out[keyIDLen:], msgKey[:])
	ige.EncryptBlocks(block, iv[:], out[envelope:], plain)
	return out, nil
}

// largeKey is msg_key_large, of which msg_key and the quick acknowledgement's
// token are cut (ENC-2, TR-7).
func largeKey(key *crypto.AuthKey, plain []byte, side crypto.Side) (sum [sha256.Size]byte) {
	x := 88
	if side == crypto.Server {
		x += 8
	}
	h := sha256.New()
	h.Write(key.Value[x : x+32])
	h.Write(plain)
	h.Sum(sum[:0])
	return sum
}
