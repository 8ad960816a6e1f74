package wire

import (
	"crypto/aes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/gotd/ige"
	"github.com/gotd/td/crypto"
)

const (
	envelope   = 8 + 16 // auth_key_id, msg_key
	head       = 8 + 8 + 8 + 4 + 4
	minPadding = 12
	maxPadding = 1024
)

// Key is an authorization key and what its exchange told.
type Key struct {
	crypto.AuthKey
	Salt int64         // the first one (KEY-21)
	Skew time.Duration // how far the server's clock is ahead of ours
}

// Plain is a packet before it is sealed and after it was opened.
type Plain struct {
	Salt, Session, MsgID int64
	Seq                  int32
	Body                 []byte
	// Length is what the packet says of the body. Zero means the truth.
	Length int32
	// Padding is how many random bytes follow. Zero means at least twelve, and
	// as many as the blocks need.
	Padding int
}

func (p *Plain) encode() []byte {
	le := binary.LittleEndian
	pad, length := p.Padding, p.Length
	if pad == 0 {
		pad = minPadding + (16-(head+len(p.Body)+minPadding)%16)%16
	}
	if length == 0 {
		length = int32(len(p.Body))
	}
	b := make([]byte, 0, head+len(p.Body)+pad)
	b = le.AppendUint64(b, uint64(p.Salt))
	b = le.AppendUint64(b, uint64(p.Session))
	b = le.AppendUint64(b, uint64(p.MsgID))
	b = le.AppendUint32(b, uint32(p.Seq))
	b = le.AppendUint32(b, uint32(length))
	b = append(b, p.Body...)
	b = b[:len(b)+pad]
	_, _ = rand.Read(b[len(b)-pad:]) // never fails
	return b
}

// Seal encrypts a client's packet and returns the token of its quick
// acknowledgement (TR-7). Header, body and padding have to fill blocks of 16.
func (k *Key) Seal(p Plain) (packet []byte, token uint32, err error) {
	plain := p.encode()
	if len(plain)%aes.BlockSize != 0 {
		return nil, 0, fmt.Errorf("%d bytes fill no blocks", len(plain))
	}
	packet, err = seal(&k.AuthKey, plain, crypto.Client)
	large := sha256.New()
	large.Write(k.Value[88:120])
	large.Write(plain)
	return packet, binary.LittleEndian.Uint32(large.Sum(nil)) | quickBit, err
}

func seal(k *crypto.AuthKey, plain []byte, side crypto.Side) ([]byte, error) {
	msgKey := crypto.MessageKey(k.Value, plain, side)
	aesKey, iv := crypto.Keys(k.Value, msgKey, side)
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, envelope+len(plain))
	copy(out, k.ID[:])
	copy(out[8:], msgKey[:])
	ige.EncryptBlocks(block, iv[:], out[envelope:], plain)
	return out, nil
}

// Open decrypts a server's packet and checks all that can be checked of it. Its
// errors are Notes.
func (k *Key) Open(packet []byte) (Plain, error) {
	if len(packet) < envelope+head+minPadding || (len(packet)-envelope)%aes.BlockSize != 0 {
		return Plain{}, NoteError{"ENC-1", fmt.Sprintf("packet of %d bytes", len(packet))}
	}
	if [8]byte(packet[:8]) != k.ID {
		return Plain{}, NoteError{"ENC-1", "packet of another key"}
	}
	msgKey := [16]byte(packet[8:envelope])
	aesKey, iv := crypto.Keys(k.Value, msgKey, crypto.Server)
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		return Plain{}, err
	}
	plain := make([]byte, len(packet)-envelope)
	ige.DecryptBlocks(block, iv[:], plain, packet[envelope:])
	if crypto.MessageKey(k.Value, plain, crypto.Server) != msgKey {
		return Plain{}, NoteError{"ENC-2", "wrong msg_key"}
	}
	le := binary.LittleEndian
	p := Plain{
		Salt:    int64(le.Uint64(plain)),
		Session: int64(le.Uint64(plain[8:])),
		MsgID:   int64(le.Uint64(plain[16:])),
		Seq:     int32(le.Uint32(plain[24:])),
		Length:  int32(le.Uint32(plain[28:])),
	}
	rest := plain[head:]
	p.Padding = len(rest) - int(p.Length)
	if p.Length < 0 || p.Length%4 != 0 || p.Padding < minPadding || p.Padding > maxPadding {
		return Plain{}, NoteError{"ENC-4", fmt.Sprintf("length %d and %d bytes of padding", p.Length, p.Padding)}
	}
	p.Body = rest[:p.Length]
	return p, nil
}
