package keyex

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"math/big"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"

	"github.com/tgsession/tgsession/app/internal/dhgroup"
)

// maxClientDH is the longest encrypted client_DH_inner_data: its fields, a
// 2048 bit number, the hash and the padding.
const maxClientDH = 384

// clientDH computes the key and tells its fate (KEY-17 to KEY-21).
func (s *Server) clientDH(ctx context.Context, r *run, q *mt.SetClientDHParamsRequest) ([]byte, error) {
	if n := len(q.EncryptedData); n == 0 || n > maxClientDH {
		return nil, refuse("length of encrypted_data", nil)
	}
	key, iv := tempKey(&r.newNonce, &r.serverNonce)
	data, err := crypto.DecryptExchangeAnswer(q.EncryptedData, key[:], iv[:])
	if err != nil || data == nil {
		return nil, refuse("client_DH_inner_data does not decrypt", err)
	}
	var inner mt.ClientDHInnerData
	b := &bin.Buffer{Buf: data}
	if err := inner.Decode(b); err != nil || b.Len() != 0 {
		return nil, refuse("client_DH_inner_data", err)
	}
	if inner.Nonce != r.nonce || inner.ServerNonce != r.serverNonce || inner.RetryID != r.retryID {
		return nil, refuse("client_DH_inner_data differs from the query", nil)
	}
	gb := new(big.Int).SetBytes(inner.GB)
	if !inSafeRange(gb) {
		return nil, refuse("g_b out of range", nil)
	}

	var value crypto.Key
	new(big.Int).Exp(gb, r.a, dhgroup.Prime).FillBytes(value[:])
	authKey := value.WithID()
	err = s.cfg.Register(ctx, NewKey{
		Key:       authKey,
		Type:      r.keyType,
		Salt:      crypto.ServerSalt(r.newNonce, r.serverNonce),
		ExpiresIn: time.Duration(r.expiresIn) * time.Second,
	})
	switch {
	case err == nil:
		r.next, r.a = done, nil
		return encode(&mt.DhGenOk{Nonce: r.nonce, ServerNonce: r.serverNonce, NewNonceHash1: nonceHash(&r.newNonce, 1, value)})
	case r.tries < maxTries:
		r.tries++
		aux := value.AuxHash()
		r.retryID = int64(binary.LittleEndian.Uint64(aux[:]))
		return encode(&mt.DhGenRetry{Nonce: r.nonce, ServerNonce: r.serverNonce, NewNonceHash2: nonceHash(&r.newNonce, 2, value)})
	default:
		r.next, r.a = done, nil
		return encode(&mt.DhGenFail{Nonce: r.nonce, ServerNonce: r.serverNonce, NewNonceHash3: nonceHash(&r.newNonce, 3, value)})
	}
}

// nonceHash proves that both sides have the same key (KEY-20).
func nonceHash(newNonce *bin.Int256, n byte, key crypto.Key) (out bin.Int128) {
	aux := key.AuxHash()
	h := sha1.New()
	h.Write(newNonce[:])
	h.Write([]byte{n})
	h.Write(aux[:])
	copy(out[:], h.Sum(nil)[4:])
	return out
}
