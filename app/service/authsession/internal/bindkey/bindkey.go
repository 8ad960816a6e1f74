// Package bindkey checks the encrypted message of auth.bindTempAuthKey
// (core.telegram.org/api/pfs, "Binding temporary key"): the proof that whoever
// holds a temp key holds the perm key too, for this binding, in this session,
// in this very message.
package bindkey

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
)

const (
	messageSize = 104               // perm_auth_key_id 8, msg_key 16, ciphertext 80
	headerSize  = 16 + 8 + 4 + 4    // random, message_id, seqno, length
	innerSize   = 40                // bind_auth_key_inner
	plainSize   = headerSize + 40   // what msg_key covers
	slack       = 60                // seconds that a binding may outlast its key: clients add 30
	longest     = 30 * 24 * 60 * 60 // seconds of a binding whose key's lifetime is unknown
)

// The errors are the whole story for a log: none holds key material.
var (
	ErrLength    = errors.New("encrypted message is not 104 bytes long")
	ErrPermKey   = errors.New("encrypted message starts with another perm key id")
	ErrMsgKey    = errors.New("msg_key does not match the decrypted message")
	ErrHeader    = errors.New("inner seqno is not 0 or inner length is not 40")
	ErrInner     = errors.New("inner message is not bind_auth_key_inner")
	ErrInnerPerm = errors.New("inner perm_auth_key_id is another key")
	ErrNonce     = errors.New("inner nonce differs from the request's")
	ErrExpiresAt = errors.New("inner expires_at differs from the request's")
	ErrTempKey   = errors.New("inner temp_auth_key_id is not the key that carries the request")
	ErrSession   = errors.New("inner temp_session_id is not the session that carries the request")
	ErrMessageID = errors.New("inner message_id is not that of the carrying message")
	ErrExpired   = errors.New("expires_at lies in the past")
)

// Request is auth.bindTempAuthKey as the client sent it.
type Request struct {
	PermKeyID        int64
	Nonce            int64
	ExpiresAt        int32 // Unix seconds
	EncryptedMessage []byte
}

// Carrier says in what the request travelled. A zero field was not told and
// is not checked.
type Carrier struct {
	TempKeyID int64
	SessionID int64
	MessageID int64
}

// Binding is what the client proved to want.
type Binding struct {
	PermKeyID int64
	TempKeyID int64
	ExpiresAt int64 // Unix seconds
}

// Precheck refuses what can be refused without the perm key.
func Precheck(r Request) error {
	if len(r.EncryptedMessage) != messageSize {
		return ErrLength
	}
	if int64(binary.LittleEndian.Uint64(r.EncryptedMessage)) != r.PermKeyID {
		return ErrPermKey
	}
	return nil
}

// Open decrypts the message with the perm key and compares every field with
// the request and its carrier. It does not look at the clock; see End.
func Open(permKey *crypto.Key, r Request, c Carrier) (Binding, error) {
	if err := Precheck(r); err != nil {
		return Binding{}, err
	}
	var msgKey bin.Int128
	copy(msgKey[:], r.EncryptedMessage[8:24])
	key, iv := crypto.KeysV1(*permKey, msgKey)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return Binding{}, err
	}
	plain := make([]byte, messageSize-24)
	ige.DecryptBlocks(block, iv[:], plain, r.EncryptedMessage[24:])

	want := crypto.MessageKeyV1(plain[:plainSize])
	if subtle.ConstantTimeCompare(want[:], msgKey[:]) != 1 {
		return Binding{}, ErrMsgKey
	}
	messageID := int64(binary.LittleEndian.Uint64(plain[16:]))
	seqNo, length := binary.LittleEndian.Uint32(plain[24:]), binary.LittleEndian.Uint32(plain[28:])
	if seqNo != 0 || length != innerSize {
		return Binding{}, ErrHeader
	}
	var inner crypto.BindAuthKeyInner
	if err := inner.Decode(&bin.Buffer{Buf: plain[headerSize:plainSize]}); err != nil {
		return Binding{}, ErrInner
	}
	switch {
	case inner.PermAuthKeyID != r.PermKeyID:
		return Binding{}, ErrInnerPerm
	case inner.Nonce != r.Nonce:
		return Binding{}, ErrNonce
	case int32(inner.ExpiresAt) != r.ExpiresAt:
		return Binding{}, ErrExpiresAt
	case c.TempKeyID != 0 && inner.TempAuthKeyID != c.TempKeyID:
		return Binding{}, ErrTempKey
	case c.SessionID != 0 && inner.TempSessionID != c.SessionID:
		return Binding{}, ErrSession
	case c.MessageID != 0 && messageID != c.MessageID:
		return Binding{}, ErrMessageID
	}
	return Binding{PermKeyID: r.PermKeyID, TempKeyID: inner.TempAuthKeyID, ExpiresAt: int64(r.ExpiresAt)}, nil
}

// End is when the binding ends (Unix seconds): when the client says, but no
// later than 60 s after the temp key's own end (keyExpiresAt: creation +
// expires_in; 0 when that is unknown: 30 days from now). It is no error to ask
// for more: a client whose clock is ahead asks for its own time, and one that
// was refused would make another key and ask again, without end. A time that is
// over, by the server's clock (now), is ErrExpired.
func (b Binding) End(now, keyExpiresAt int64) (int64, error) {
	if b.ExpiresAt <= now {
		return 0, ErrExpired
	}
	if keyExpiresAt == 0 {
		return min(b.ExpiresAt, now+longest), nil
	}
	return min(b.ExpiresAt, keyExpiresAt+slack), nil
}
