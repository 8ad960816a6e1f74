package core

import (
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	grpcmetadata "google.golang.org/grpc/metadata"

	"github.com/tgsession/tgsession/app/internal/keyexpiry"
	"github.com/tgsession/tgsession/proto/authsession"
)

// A client's clock is no reason to refuse its binding, as long as it ends after
// it begins. It ends with the temp key, to the second, on every node, and every
// answer about the key says so.
func TestABindingEndsWithItsKeyWhateverTheClientsClock(t *testing.T) {
	for name, tc := range map[string]struct {
		ahead time.Duration // the client's clock, before the server's if negative
		want  time.Duration // from now to the end; 0: EXPIRES_AT_INVALID
	}{
		"right":        {0, 24*time.Hour + 30*time.Second},
		"10 min ahead": {10 * time.Minute, 24*time.Hour + time.Minute},
		"1 h ahead":    {time.Hour, 24*time.Hour + time.Minute},
		"years ahead":  {5 * 365 * 24 * time.Hour, 24*time.Hour + time.Minute},
		"1 h behind":   {-time.Hour, 23*time.Hour + 30*time.Second},
		"2 d behind":   {-48 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			perm, temp := c.key(0, 0), c.key(1, 86400)
			ends := &transport{}
			in := c.bindRequest(perm, temp, func(i *crypto.BindAuthKeyInner) { i.ExpiresAt += int(tc.ahead / time.Second) })
			_, err := ends.on(c, 0).AuthsessionBindTempAuthKey(in)
			if tc.want == 0 {
				refused(t, err, 400, "EXPIRES_AT_INVALID")
				return
			}
			require.NoError(t, err)
			end := c.clock.Now().Add(tc.want).Unix()
			require.Equal(t, end, ends.end(), "bindTempAuthKey says when")
			for i := range c.nodes {
				_, err := ends.on(c, i).AuthsessionQueryAuthKey(query(temp.IntID()))
				require.NoError(t, err)
				require.Equal(t, end, ends.end())
				_, err = ends.on(c, i).AuthsessionGetPermAuthKeyId(&authsession.TLAuthsessionGetPermAuthKeyId{AuthKeyId: temp.IntID()})
				require.NoError(t, err)
				require.Equal(t, end, ends.end())
				_, err = ends.on(c, i).AuthsessionQueryAuthKey(query(perm.IntID()))
				require.NoError(t, err)
				require.Zero(t, ends.end(), "perm keys do not end")
			}
			c.clock.Advance(tc.want - time.Second)
			for i := range c.nodes {
				_, err := c.permOf(i, temp.IntID())
				require.NoError(t, err, "the last second")
			}
			c.clock.Advance(time.Second)
			for i := range c.nodes {
				_, err := c.permOf(i, temp.IntID())
				refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
				_, err = c.on(i).AuthsessionQueryAuthKey(query(temp.IntID()))
				refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
			}
		})
	}
}

// transport is the gRPC side of a call: what it sends beside the answer.
type transport struct{ trailer grpcmetadata.MD }

// on is a call on a node whose trailer is kept.
func (x *transport) on(c *cluster, node int) *Core {
	x.trailer = nil
	return New(grpc.NewContextWithServerTransportStream(c.t.Context(), x), c.nodes[node])
}

func (x *transport) end() int64 { return keyexpiry.Read(x.trailer) }

func (x *transport) Method() string                      { return "" }
func (x *transport) SetHeader(grpcmetadata.MD) error     { return nil }
func (x *transport) SendHeader(grpcmetadata.MD) error    { return nil }
func (x *transport) SetTrailer(md grpcmetadata.MD) error { x.trailer = md; return nil }

// Clients have a temp key for each of their connections, several of one kind:
// a bind ends none of the others.
func TestTempKeysOfOneKindStandBesideEachOther(t *testing.T) {
	c := start(t)
	perm := c.key(0, 0)
	var keys []crypto.AuthKey
	for i := range int32(12) {
		k := c.key(1+i%2, 86400)
		c.bind(perm, k)
		keys = append(keys, k)
	}
	for i := range c.nodes {
		for _, k := range keys {
			got, err := c.permOf(i, k.IntID())
			require.NoError(t, err)
			require.Equal(t, perm.IntID(), got)
		}
	}
	out, err := c.on(1).DropTempAuthKeys(&authsession.DropTempAuthKeysRequest{PermAuthKeyId: perm.IntID(), ExceptAuthKeyIds: []int64{keys[3].IntID(), 5}})
	require.NoError(t, err)
	require.Len(t, out.AuthKeyIds, 11)
	for i, k := range keys {
		_, err := c.permOf(0, k.IntID())
		if i == 3 {
			require.NoError(t, err)
			continue
		}
		require.Contains(t, out.AuthKeyIds, k.IntID())
		refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	}
}

// A client that makes temp keys and uses none of them again holds 64: those that
// end first give way. What a stock install has bound has no end, and is known by
// when it was made.
func TestTempKeysOfAPermKeyAreBounded(t *testing.T) {
	c := start(t)
	perm, bystander := c.key(0, 0), c.key(0, 0)
	theirs := c.key(1, 86400)
	c.bind(bystander, theirs)
	for id := range 40 { // days old, and made a moment ago
		c.exec("INSERT INTO auth_keys(auth_key_id, body) VALUES (?, ?)", id+1, strings.Repeat("A", 342))
		c.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id, created_at) VALUES (?, 1, ?, FROM_UNIXTIME(?))",
			id+1, perm.IntID(), c.clock.Now().Unix()-int64(id/20)*200_000)
	}
	short := c.key(1, 600)
	c.bind(perm, short)
	var keys []crypto.AuthKey
	for range 45 {
		k := c.key(1, 86400)
		c.bind(perm, k)
		keys = append(keys, k)
	}
	count := func() int64 {
		return c.number("SELECT COUNT(*) FROM auth_key_infos WHERE perm_auth_key_id = ? AND auth_key_id <> ?", perm.IntID(), perm.IntID())
	}
	require.EqualValues(t, 64, count())
	require.Zero(t, c.number("SELECT COUNT(*) FROM auth_key_infos WHERE auth_key_id BETWEEN 21 AND 40"), "the old ones of stock")
	require.EqualValues(t, 19, c.number("SELECT COUNT(*) FROM auth_key_infos WHERE auth_key_id BETWEEN 1 AND 20"), "the young ones, but one")
	_, err := c.permOf(1, short.IntID())
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	c.clock.Advance(time.Minute)
	for range 30 {
		c.bind(perm, c.key(1, 86400))
	}
	require.EqualValues(t, 64, count())
	require.Zero(t, c.number("SELECT COUNT(*) FROM auth_keys WHERE auth_key_id BETWEEN 1 AND 40"))
	for i, k := range keys {
		_, err := c.permOf(0, k.IntID())
		if i < 11 {
			refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
		} else {
			require.NoError(t, err, "key %d", i)
		}
	}
	c.bind(perm, keys[44]) // again: it counts once
	require.EqualValues(t, 64, count())
	_, err = c.permOf(0, theirs.IntID())
	require.NoError(t, err, "of another perm key")
}

func TestDropTempAuthKeys(t *testing.T) {
	c := start(t)
	perm, a, b, foreign := c.key(0, 0), c.key(1, 86400), c.key(1, 86400), c.key(1, 86400)
	c.bind(perm, a)
	c.bind(perm, b)
	c.bind(c.key(0, 0), foreign)
	out, err := c.on(0).DropTempAuthKeys(&authsession.DropTempAuthKeysRequest{PermAuthKeyId: perm.IntID(), ExceptAuthKeyIds: []int64{b.IntID()}})
	require.NoError(t, err)
	require.Equal(t, []int64{a.IntID()}, out.AuthKeyIds)
	_, err = c.permOf(1, a.IntID())
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	for _, k := range []crypto.AuthKey{perm, b, foreign} {
		_, err = c.permOf(1, k.IntID())
		require.NoError(t, err)
	}
}
