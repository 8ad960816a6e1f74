package wire

import (
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"

	"github.com/gotd/ige"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
)

// BindMessage is what auth.bindTempAuthKey encrypts with the permanent key
// (core.telegram.org/api/pfs), every field of it free.
type BindMessage struct {
	Inner  crypto.BindAuthKeyInner
	MsgID  int64
	Seq    int32
	Length int32 // zero means the truth
	PermID int64 // in front of the sealed part; zero means the key's own
}

// Seal encrypts it.
func (m BindMessage) Seal(perm *Key) ([]byte, error) {
	var inner bin.Buffer
	if err := m.Inner.Encode(&inner); err != nil {
		return nil, err
	}
	if m.Length == 0 {
		m.Length = int32(len(inner.Buf))
	}
	if m.PermID == 0 {
		m.PermID = perm.IntID()
	}
	le := binary.LittleEndian
	plain := make([]byte, 16, 80)
	_, _ = rand.Read(plain) // never fails
	plain = le.AppendUint64(plain, uint64(m.MsgID))
	plain = le.AppendUint32(plain, uint32(m.Seq))
	plain = le.AppendUint32(plain, uint32(m.Length))
	plain = append(plain, inner.Buf...)
	msgKey := crypto.MessageKeyV1(plain)
	pad := plain[len(plain) : (len(plain)+15)&^15]
	_, _ = rand.Read(pad)
	plain = plain[:len(plain)+len(pad)]

	aesKey, iv := crypto.KeysV1(perm.Value, msgKey)
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		return nil, err
	}
	out := le.AppendUint64(nil, uint64(m.PermID))
	out = append(out, msgKey[:]...)
	sealed := make([]byte, len(plain))
	ige.EncryptBlocks(block, iv[:], sealed, plain)
	return append(out, sealed...), nil
}
