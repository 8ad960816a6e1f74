package keyex_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
)

// KEY-13: after a wrong query the run is dead, for right ones too.
func TestRefusedRunIsDead(t *testing.T) {
	var reg registry
	p := newPeer(t, newServer(t, &reg, false))
	p.toDH()
	good, _ := p.clientDH(randomExponent(), 0)
	bad, _ := p.clientDH(randomExponent(), 99)
	_, err := p.ask(bad)
	require.Error(t, err)
	_, err = p.ask(good)
	var refused *keyex.Error
	require.ErrorAs(t, err, &refused)
	require.EqualValues(t, -404, refused.Code)
	require.Empty(t, reg.keys)
}

// KEY-22: a repeated query gets the same answer, and registers nothing anew.
func TestRepeatedQueryGetsTheSameAnswer(t *testing.T) {
	var reg registry
	p := newPeer(t, newServer(t, &reg, false))
	twice := func(e bin.Encoder) []byte {
		one, err := p.ask(e)
		require.NoError(t, err)
		two, err := p.ask(e)
		require.NoError(t, err)
		require.Equal(t, one, two)
		return one
	}
	require.NoError(t, p.res.Decode(&bin.Buffer{Buf: twice(&mt.ReqPqMultiRequest{Nonce: p.nonce})}))
	p.readDH(twice(p.dhRequest(p.innerData())))
	q, _ := p.clientDH(randomExponent(), 0)
	var ok mt.DhGenOk
	require.NoError(t, ok.Decode(&bin.Buffer{Buf: twice(q)}))
	require.Len(t, reg.keys, 1)
}

// KEY-19, KEY-20: a key that cannot be registered is tried anew.
func TestRetry(t *testing.T) {
	reg := registry{fail: 1}
	p := newPeer(t, newServer(t, &reg, false))
	p.toDH()
	q, key := p.clientDH(randomExponent(), 0)
	out, err := p.ask(q)
	require.NoError(t, err)
	var retry mt.DhGenRetry
	require.NoError(t, retry.Decode(&bin.Buffer{Buf: out}))

	aux := key.AuxHash()
	q, key = p.clientDH(randomExponent(), int64(binary.LittleEndian.Uint64(aux[:])))
	out, err = p.ask(q)
	require.NoError(t, err)
	var ok mt.DhGenOk
	require.NoError(t, ok.Decode(&bin.Buffer{Buf: out}))
	require.Equal(t, crypto.NonceHash1(p.newNonce, key), ok.NewNonceHash1)
	require.Len(t, reg.keys, 1)
	require.Equal(t, key, reg.keys[0].Key.Value)
}

func TestRetriesEnd(t *testing.T) {
	reg := registry{fail: 100}
	p := newPeer(t, newServer(t, &reg, false))
	p.toDH()
	var retryID int64
	for range 10 {
		q, key := p.clientDH(randomExponent(), retryID)
		out, err := p.ask(q)
		require.NoError(t, err)
		id, err := (&bin.Buffer{Buf: out}).PeekID()
		require.NoError(t, err)
		if id == mt.DhGenFailTypeID {
			return
		}
		require.EqualValues(t, mt.DhGenRetryTypeID, id)
		aux := key.AuxHash()
		retryID = int64(binary.LittleEndian.Uint64(aux[:]))
	}
	t.Fatal("no dh_gen_fail after ten tries")
}

// One connection cannot hold more than a few exchanges.
func TestRunsAreBounded(t *testing.T) {
	var reg registry
	s := newServer(t, &reg, false)
	first := newPeer(t, s)
	first.reqPQ()
	for range 4 {
		var n bin.Int128
		_, _ = rand.Read(n[:])
		_, err := first.ask(&mt.ReqPqMultiRequest{Nonce: n})
		require.NoError(t, err)
	}
	_, err := first.ask(first.dhRequest(first.innerData()))
	require.Error(t, err)
}
