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
	plain := make([]byte, 16, 72)
	_, _ = rand.Read(plain) // never fails
	plain = le.AppendUint64(plain, uint64(m.MsgID))
	plain = le.AppendUint32(plain, uint32(m.Seq))
	plain = le.AppendUint32(plain, uint32(m.Length))
	plain = append(plain, inner.Buf...)
	return sealV1(perm, m.PermID, plain)
}

// SealV1 encrypts a client's packet as MTProto 1.0 does, which knows nothing of
// the padding that p asks for.
func (k *Key) SealV1(p Plain) ([]byte, error) {
	return sealV1(k, k.IntID(), p.encode()[:head+len(p.Body)])
}

// sealV1 pads and encrypts with a key that goes by an id.
func sealV1(k *Key, id int64, plain []byte) ([]byte, error) {
	msgKey := crypto.MessageKeyV1(plain)
	pad := make([]byte, -len(plain)&(aes.BlockSize-1))
	_, _ = rand.Read(pad) // never fails
	plain = append(plain, pad...)
	aesKey, iv := crypto.KeysV1(k.Value, msgKey)
	block, err := aes.NewCipher(aesKey[:])
	if err != nil {
		return nil, err
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(id))
	out = append(out, msgKey[:]...)
	sealed := make([]byte, len(plain))
	ige.EncryptBlocks(block, iv[:], sealed, plain)
	return append(out, sealed...), nil
}
