package dao

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/keyseal"
)

var (
	keyA = bytes.Repeat([]byte{1}, keyseal.KeySize)
	keyB = bytes.Repeat([]byte{2}, keyseal.KeySize)
)

func sealer(t *testing.T, current, previous []byte) *keyseal.Sealer {
	t.Helper()
	s, err := keyseal.New(current, previous)
	require.NoError(t, err)
	return s
}

// create stores a key of random bytes through a node.
func (s *store) create(d *Dao, id int64, kind int32) []byte {
	s.t.Helper()
	body := make([]byte, 256)
	_, _ = rand.Read(body)
	k := Key{AuthKeyID: id, Body: body, Type: kind}
	if kind == Permanent {
		k.PermAuthKeyID = id
	}
	require.NoError(s.t, d.CreateKey(s.t.Context(), k, 0))
	return body
}

func (s *store) stored(id int64) (body string) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRow("SELECT body FROM auth_keys WHERE auth_key_id = ?", id).Scan(&body))
	return body
}

func (s *store) reads(d *Dao, id int64, want []byte) {
	s.t.Helper()
	for range 2 { // from MySQL, and from the cache
		k, err := d.Key(s.t.Context(), id)
		require.NoError(s.t, err)
		require.Equal(s.t, want, k.Body)
	}
}

// shows reports whether a text has a part of a body in it.
func shows(text string, body []byte) bool {
	return strings.Contains(text, base64.StdEncoding.EncodeToString(body[30:60])) || strings.Contains(text, string(body[30:60]))
}

func TestWeakness13KeysAreSealedInMySQLAndRedis(t *testing.T) {
	s := newStore(t)
	a, other := s.node(sealer(t, keyA, nil)), s.node(sealer(t, keyA, nil))
	body := s.create(a, 100, Permanent)
	s.reads(other, 100, body)
	s.reads(a, 100, body)
	require.True(t, strings.HasPrefix(s.stored(100), "v1."))
	require.False(t, shows(s.stored(100), body))
	cached, err := s.mini.Get(keyCacheKey(100))
	require.NoError(t, err)
	require.Contains(t, cached, `"auth_key_sealed":"v1.`)
	require.NotContains(t, cached, `"auth_key":`)
	require.False(t, shows(s.mini.Dump(), body))

	again := Key{AuthKeyID: 100, Body: body, PermAuthKeyID: 100}
	require.NoError(t, other.CreateKey(t.Context(), again, 0))
	again.Body = make([]byte, 256)
	require.ErrorIs(t, other.CreateKey(t.Context(), again, 0), ErrKeyTaken)
}

// Rows and cached values of before can be read, and go with the next write.
func TestPlainRowsAreSealedOnWrite(t *testing.T) {
	s := newStore(t)
	plain, d := s.nodes[0], s.node(sealer(t, keyA, nil))
	bodies := map[int64][]byte{}
	for id, kind := range map[int64]int32{100: Permanent, 101: Permanent, 1: Temporary} {
		bodies[id] = s.create(plain, id, kind)
		s.reads(plain, id, bodies[id])
	}
	require.True(t, shows(s.stored(100), bodies[100]))
	for id, body := range bodies {
		s.reads(d, id, body)
	}
	require.False(t, shows(s.mini.Dump(), bodies[100]), "plain values leave the cache as they are met")

	_, err := d.BindKey(t.Context(), 100, 1, func(int64) (int64, error) { return now + 7200, nil })
	require.NoError(t, err)
	require.NoError(t, d.CreateKey(t.Context(), Key{AuthKeyID: 101, Body: bodies[101], PermAuthKeyID: 101}, 0))
	for id, body := range bodies {
		require.False(t, shows(s.stored(id), body), "key %d", id)
		s.reads(d, id, body)
	}
}

// A key that cannot be opened is a fault, never one that is not there: clients
// would be logged out.
func TestWhatCannotBeOpenedIsAFault(t *testing.T) {
	s := newStore(t)
	a := s.node(sealer(t, keyA, nil))
	body := s.create(a, 100, Permanent)
	s.reads(a, 100, body)
	sealed := s.stored(100)
	fault := func(d *Dao, want error) {
		t.Helper()
		for range 2 {
			_, err := d.Key(t.Context(), 100)
			require.ErrorIs(t, err, want)
			require.NotErrorIs(t, err, ErrNotFound)
			require.ErrorContains(t, err, "auth key 100: its body is")
			require.NotContains(t, err.Error(), sealed[12:40])
		}
		require.ErrorIs(t, d.CreateKey(t.Context(), Key{AuthKeyID: 100, Body: body, PermAuthKeyID: 100}, 0), want)
	}
	for _, d := range []*Dao{s.nodes[0], s.node(sealer(t, keyB, nil))} { // no key, another key
		fault(d, keyseal.ErrNoKey)
		require.ErrorContains(t, d.CheckSealed(t.Context()), "KeyEncryption.File")
	}
	require.NoError(t, a.CheckSealed(t.Context()))
	s.reads(a, 100, body)

	s.create(a, 101, Permanent)
	for name, text := range map[string]string{"truncated": sealed[:200], "of another key": s.stored(101)} {
		s.exec("UPDATE auth_keys SET body = ? WHERE auth_key_id = 100", text)
		s.mini.FlushAll()
		t.Log(name)
		fault(a, keyseal.ErrAltered)
		require.NoError(t, a.CheckSealed(t.Context()))
	}
}

// The way in, a rotation and the way out, as they are documented: at each step
// nodes of the former and of the new configuration serve side by side.
func TestRotation(t *testing.T) {
	s := newStore(t)
	bodies := map[int64][]byte{}
	next := int64(100)
	steps := []*Dao{
		s.nodes[0],                    // nothing
		s.node(sealer(t, nil, keyA)),  // A can be read
		s.node(sealer(t, keyA, nil)),  // A is written
		s.node(sealer(t, keyA, keyB)), // B can be read
		s.node(sealer(t, keyB, keyA)), // B is written
		s.node(sealer(t, keyB, nil)),  // A is gone
		s.node(sealer(t, nil, keyB)),  // plain is written
		s.nodes[1],                    // nothing
	}
	require.Len(t, steps, 8)
	for i, d := range steps {
		former := steps[max(i-1, 0)]
		for _, writer := range []*Dao{former, d} {
			next++
			bodies[next] = s.create(writer, next, Permanent)
		}
		for id, body := range bodies {
			s.reads(d, id, body)
			s.reads(former, id, body)
		}
		_, unreadable, err := d.Reseal(t.Context())
		require.NoError(t, err)
		require.Zero(t, unreadable)
	}
	for id, body := range bodies {
		require.Equal(t, base64.RawStdEncoding.EncodeToString(body), s.stored(id), "as at the beginning")
	}
}

func TestResealCounts(t *testing.T) {
	s := newStore(t)
	var rows strings.Builder
	plain := base64.RawStdEncoding.EncodeToString(make([]byte, 256))
	for id := range resealBatch + 50 {
		fmt.Fprintf(&rows, ",(%d,'%s')", id+1, plain)
	}
	s.exec("INSERT INTO auth_keys(auth_key_id, body) VALUES " + rows.String()[1:])
	s.create(s.node(sealer(t, keyB, nil)), 5000, Permanent) // of a key that is lost
	s.exec("UPDATE auth_keys SET body = '????' WHERE auth_key_id = 7")
	a := s.node(sealer(t, keyA, nil))
	s.mini.SetError("away") // Redis is not needed
	rewritten, unreadable, err := a.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{resealBatch + 49, 2}, []int{rewritten, unreadable})
	rewritten, unreadable, err = a.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, []int{rewritten, unreadable})
}
