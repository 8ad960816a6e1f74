package core

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/crypto"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
)

func TestKeysAreStoredAsStockStoresThem(t *testing.T) {
	c := start(t)
	for kind, column := range map[int32]string{0: "perm_auth_key_id", 1: "temp_auth_key_id", 2: "media_temp_auth_key_id"} {
		k := c.key(kind, 0)
		require.Equal(t, base64.RawStdEncoding.EncodeToString(k.Value[:]), c.text("SELECT body FROM auth_keys WHERE auth_key_id = ?", k.IntID()))
		require.EqualValues(t, kind, c.number("SELECT auth_key_type FROM auth_key_infos WHERE auth_key_id = ?", k.IntID()))
		require.Equal(t, k.IntID(), c.number("SELECT "+column+" FROM auth_key_infos WHERE auth_key_id = ?", k.IntID()))
		require.Equal(t, k.IntID(), c.number("SELECT perm_auth_key_id + temp_auth_key_id + media_temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = ?", k.IntID()), "only its own column")

		got, err := c.on(1).AuthsessionQueryAuthKey(query(k.IntID()))
		require.NoError(t, err)
		require.Equal(t, k.Value[:], got.AuthKey)
		require.Equal(t, "authKeyInfo", got.PredicateName)
		require.Equal(t, kind, got.AuthKeyType)
	}
}

// Stock stores whatever it is sent.
func TestWeakness14SetAuthKeyRefusesWhatIsNoKey(t *testing.T) {
	c := start(t)
	k := randomKey(t)
	for name, in := range map[string]*authsession.TLAuthsessionSetAuthKey{
		"no key":            {},
		"id of another":     {AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: k.IntID() + 1, AuthKey: k.Value[:]}},
		"255 bytes":         {AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: k.IntID(), AuthKey: k.Value[:255]}},
		"empty":             {AuthKey: &mtproto.AuthKeyInfo{AuthKeyId: k.IntID()}},
		"type 3":            {AuthKey: info(k, 3)},
		"type -1":           {AuthKey: info(k, -1)},
		"negative lifetime": {AuthKey: info(k, 1), ExpiresIn: -1},
		"salt without time": {AuthKey: info(k, 0), FutureSalt: &mtproto.FutureSalt{ValidSince: 10, ValidUntil: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.on(0).AuthsessionSetAuthKey(in)
			refused(t, err, 400, "INPUT_REQUEST_INVALID")
		})
	}
	require.Zero(t, c.number("SELECT COUNT(*) FROM auth_keys"))

	// A temp key cannot come with a perm key: only a bind gives it one.
	sneaky := info(k, 1)
	sneaky.PermAuthKeyId = 777
	_, err := c.on(0).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{AuthKey: sneaky})
	require.NoError(t, err)
	_, err = c.permOf(0, k.IntID())
	refused(t, err, 401, "AUTH_KEY_PERM_EMPTY")
}

func TestSettingAKeyTwiceIsFineAndChangesNothing(t *testing.T) {
	c := start(t)
	perm, temp := c.key(0, 0), c.key(1, 86400)
	c.bind(perm, temp)
	ok, err := c.on(1).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{AuthKey: info(temp, 1), ExpiresIn: 5})
	require.NoError(t, err)
	require.Equal(t, "boolTrue", ok.PredicateName)
	got, err := c.permOf(0, temp.IntID())
	require.NoError(t, err)
	require.Equal(t, perm.IntID(), got, "still bound")

	// Another key with the same id: the client has to make a new one.
	c.exec("UPDATE auth_keys SET body = ? WHERE auth_key_id = ?", base64.RawStdEncoding.EncodeToString(make([]byte, 256)), perm.IntID())
	ok, err = c.on(0).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{AuthKey: info(perm, 0)})
	require.NoError(t, err)
	require.Equal(t, "boolFalse", ok.PredicateName)
}

// A client's first packets may come before its key is stored. Stock goes on
// answering 401 for a minute.
func TestWeakness60KeyIsKnownAtOnceThoughItWasAskedForBefore(t *testing.T) {
	c := start(t)
	k := randomKey(t)
	for i := range 2 {
		_, err := c.on(i).AuthsessionQueryAuthKey(query(k.IntID()))
		refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	}
	_, err := c.on(0).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{AuthKey: info(k, 0)})
	require.NoError(t, err)
	for i := range 2 {
		_, err = c.on(i).AuthsessionQueryAuthKey(query(k.IntID()))
		require.NoError(t, err, "node %d", i)
	}
	_, err = c.on(0).AuthsessionQueryAuthKey(query(0))
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
}

// The owner of perm key A seals "perm = V" into the proof: with stock, its
// temp key then acts as V, knowing no more of V than its key id.
func TestWeakness01BindRefusesForeignPermKey(t *testing.T) {
	c := start(t)
	attacker, victim, temp := c.key(0, 0), c.key(0, 0), c.key(1, 86400)
	in := c.bindRequest(attacker, temp, func(i *crypto.BindAuthKeyInner) { i.PermAuthKeyID = victim.IntID() })
	_, err := c.on(0).AuthsessionBindTempAuthKey(in)
	refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
	_, err = c.permOf(1, temp.IntID())
	refused(t, err, 401, "AUTH_KEY_PERM_EMPTY")
	require.Zero(t, c.number("SELECT temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = ?", victim.IntID()))
	require.Zero(t, c.number("SELECT temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = ?", attacker.IntID()))

	in = c.bindRequest(attacker, temp, nil)
	in.PermAuthKeyId = victim.IntID()
	_, err = c.on(0).AuthsessionBindTempAuthKey(in)
	refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
}

// With stock, naming a perm key as the temp one rewrites that key's own row:
// the victim's key then belongs to the attacker's account.
func TestWeakness07BindRefusesWhatIsNoTempKey(t *testing.T) {
	c := start(t)
	perm, victim, temp := c.key(0, 0), c.key(0, 0), c.key(1, 86400)
	_, err := c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(perm, victim, nil))
	refused(t, err, 400, "TEMP_AUTH_KEY_EMPTY")
	got, err := c.permOf(0, victim.IntID())
	require.NoError(t, err)
	require.Equal(t, victim.IntID(), got)
	_, err = c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(perm, perm, nil))
	refused(t, err, 400, "TEMP_AUTH_KEY_EMPTY")
	// A temp key as perm key, a perm key nobody knows, a temp key nobody knows.
	_, err = c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(temp, c.key(1, 86400), nil))
	refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
	_, err = c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(randomKey(t), temp, nil))
	refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
	_, err = c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(perm, randomKey(t), nil))
	refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
}

func TestWeakness07BoundTempKeyStaysWithItsPermKey(t *testing.T) {
	c := start(t)
	perm, other, temp := c.key(0, 0), c.key(0, 0), c.key(1, 86400)
	c.bind(perm, temp)
	c.bind(perm, temp) // again is fine
	_, err := c.on(1).AuthsessionBindTempAuthKey(c.bindRequest(other, temp, nil))
	refused(t, err, 400, "TEMP_AUTH_KEY_ALREADY_BOUND")
	got, err := c.permOf(1, temp.IntID())
	require.NoError(t, err)
	require.Equal(t, perm.IntID(), got)

	media := c.key(2, 86400)
	c.bind(perm, media)
	require.Equal(t, []int64{temp.IntID(), media.IntID()}, []int64{
		c.number("SELECT temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = ?", perm.IntID()),
		c.number("SELECT media_temp_auth_key_id FROM auth_key_infos WHERE auth_key_id = ?", perm.IntID()),
	})
	k, err := c.on(1).AuthsessionQueryAuthKey(query(perm.IntID()))
	require.NoError(t, err)
	require.Equal(t, media.IntID(), k.MediaTempAuthKeyId)
}

// Stock slices the message before it knows its length: 13 "panic: ...".
func TestWeakness08BindOfAnyLengthIsAnAnswerNotAPanic(t *testing.T) {
	c := start(t)
	perm, temp := c.key(0, 0), c.key(1, 86400)
	whole := c.bindRequest(perm, temp, nil)
	for _, n := range []int{0, 8, 23, 24, 40, 103} {
		in := c.bindRequest(perm, temp, nil)
		in.EncryptedMessage = whole.EncryptedMessage[:n]
		_, err := c.on(0).AuthsessionBindTempAuthKey(in)
		refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
	}
}

// In what the request travelled is checked when session tells it: an old bind
// packet cannot be replayed in another session, message or under another key.
func TestWeakness07BindIsTiedToItsCarrier(t *testing.T) {
	c := start(t)
	perm, temp := c.key(0, 0), c.key(1, 86400)
	good := func() *metadata.RpcMetadata {
		return &metadata.RpcMetadata{AuthId: temp.IntID(), SessionId: 33, ClientMsgId: 44 << 32}
	}
	for name, spoil := range map[string]func(*metadata.RpcMetadata){
		"another key":     func(md *metadata.RpcMetadata) { md.AuthId++ },
		"another session": func(md *metadata.RpcMetadata) { md.SessionId++ },
		"another message": func(md *metadata.RpcMetadata) { md.ClientMsgId += 4 },
	} {
		md := good()
		spoil(md)
		_, err := c.with(md).AuthsessionBindTempAuthKey(c.bindRequest(perm, temp, nil))
		require.Error(t, err, name)
		refused(t, err, 400, "ENCRYPTED_MESSAGE_INVALID")
	}
	_, err := c.with(good()).AuthsessionBindTempAuthKey(c.bindRequest(perm, temp, nil))
	require.NoError(t, err)
}

func TestWeakness06TempKeysEnd(t *testing.T) {
	c := start(t)
	perm, unbound, temp := c.key(0, 0), c.key(1, 60), c.key(1, 86400)
	in := c.bindRequest(perm, temp, nil) // until 86430 s from now
	_, err := c.on(0).AuthsessionBindTempAuthKey(in)
	require.NoError(t, err)
	ask := func(k crypto.AuthKey) error {
		var err error
		for i := range 2 { // cached on either node or not
			_, err = c.on(i).AuthsessionQueryAuthKey(query(k.IntID()))
		}
		return err
	}
	require.NoError(t, ask(unbound))
	require.NoError(t, ask(temp))
	c.clock.Advance(60 * time.Second)
	refused(t, ask(unbound), 401, "AUTH_KEY_UNREGISTERED")
	_, err = c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(perm, unbound, nil))
	refused(t, err, 400, "EXPIRES_AT_INVALID")

	c.clock.Advance(86400*time.Second - 60*time.Second)
	require.NoError(t, ask(temp), "its binding outlasts it by 30 s")
	c.clock.Advance(30 * time.Second)
	refused(t, ask(temp), 401, "AUTH_KEY_UNREGISTERED")
	_, err = c.permOf(0, temp.IntID())
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	require.NoError(t, ask(perm), "perm keys do not end")

	fresh := c.key(1, 86400)
	in = c.bindRequest(perm, fresh, func(i *crypto.BindAuthKeyInner) { i.ExpiresAt = int(c.clock.Now().Unix()) })
	_, err = c.on(0).AuthsessionBindTempAuthKey(in)
	refused(t, err, 400, "EXPIRES_AT_INVALID")
}

func TestWeakness06DestroyAuthKey(t *testing.T) {
	c := start(t)
	perm := c.device()
	temp, media, bystander := c.key(1, 86400), c.key(2, 86400), c.device()
	c.bind(perm, temp)
	c.bind(perm, media)
	c.login(perm, 777)
	c.login(bystander, 777)
	for i := range 2 { // warm both nodes
		_, user := c.state(i, temp)
		require.EqualValues(t, 777, user)
	}

	// A temp key alone: its perm key forgets it.
	out, err := c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: media.IntID()})
	require.NoError(t, err)
	require.Equal(t, []int64{media.IntID()}, out.AuthKeyIds)
	k, err := c.on(1).AuthsessionQueryAuthKey(query(perm.IntID()))
	require.NoError(t, err)
	require.Zero(t, k.MediaTempAuthKeyId)

	out, err = c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: perm.IntID()})
	require.NoError(t, err)
	require.True(t, out.Destroyed)
	require.ElementsMatch(t, []int64{perm.IntID(), temp.IntID()}, out.AuthKeyIds)
	for i := range 2 {
		for _, id := range []int64{perm.IntID(), temp.IntID()} {
			_, err := c.on(i).AuthsessionQueryAuthKey(query(id))
			refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
		}
	}
	require.EqualValues(t, 1, c.number("SELECT deleted FROM auth_users WHERE auth_key_id = ?", perm.IntID()), "its history stays")
	state, user := c.state(1, bystander)
	require.EqualValues(t, 6, state)
	require.EqualValues(t, 777, user)

	out, err = c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: perm.IntID()})
	require.NoError(t, err)
	require.False(t, out.Destroyed)
}

// Old installs kept keys in Redis alone. Stock inserts a row for one on every
// miss, and fails on the second.
func TestWeakness69LegacyKeysMoveToMySQLOnce(t *testing.T) {
	c := start(t)
	client := redis.NewClient(&redis.Options{Addr: testenv.Variable(t, "TEST_REDIS_ADDR")})
	defer client.Close()
	k := randomKey(t)
	legacy := fmt.Sprintf("auth_keys_%d", k.IntID())
	require.NoError(t, client.HSet(t.Context(), legacy, "auth_key_type", "0", "auth_key_id", fmt.Sprint(k.IntID()),
		"auth_key", k.Value[:], "perm_auth_key_id", fmt.Sprint(k.IntID())).Err())
	for i := range 2 {
		got, err := c.on(i).AuthsessionQueryAuthKey(query(k.IntID()))
		require.NoError(t, err)
		require.Equal(t, k.Value[:], got.AuthKey)
	}
	require.NoError(t, client.Del(t.Context(), legacy, fmt.Sprintf("auth_keys2_%d", k.IntID())).Err())
	got, err := c.on(0).AuthsessionQueryAuthKey(query(k.IntID()))
	require.NoError(t, err)
	require.Equal(t, k.IntID(), got.PermAuthKeyId)

	// Destroying one that was never read does not leave it to be found again.
	k = randomKey(t)
	require.NoError(t, client.HSet(t.Context(), fmt.Sprintf("auth_keys_%d", k.IntID()), "auth_key", k.Value[:], "perm_auth_key_id", fmt.Sprint(k.IntID())).Err())
	out, err := c.on(0).DestroyAuthKey(&authsession.DestroyAuthKeyRequest{AuthKeyId: k.IntID()})
	require.NoError(t, err)
	require.True(t, out.Destroyed)
	_, err = c.on(1).AuthsessionQueryAuthKey(query(k.IntID()))
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
}

// What we cache is what a stock node reads, with the epoch of its Redis before it.
func TestKeyCacheFormIsStocks(t *testing.T) {
	c := startMini(t)
	k := randomKey(t)
	body := base64.StdEncoding.EncodeToString(k.Value[:])
	cached := fmt.Sprintf("auth_keys2_%d", k.IntID())
	require.NoError(t, c.mini.Set(cached, fmt.Sprintf(`{"cache_epoch":"","predicate_name":"authKeyInfo","auth_key_id":%d,"auth_key":"%s","auth_key_type":1,"perm_auth_key_id":5,"temp_auth_key_id":%d}`, k.IntID(), body, k.IntID())))
	got, err := c.on(0).AuthsessionQueryAuthKey(query(k.IntID()))
	require.NoError(t, err)
	require.Equal(t, k.Value[:], got.AuthKey)
	require.EqualValues(t, 5, got.PermAuthKeyId)

	perm := c.key(0, 0)
	_, err = c.on(0).AuthsessionQueryAuthKey(query(perm.IntID()))
	require.NoError(t, err)
	text, err := c.mini.Get(fmt.Sprintf("auth_keys2_%d", perm.IntID()))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf(`{"cache_epoch":"","predicate_name":"authKeyInfo","auth_key_id":%d,"auth_key":"%s","perm_auth_key_id":%d}`,
		perm.IntID(), base64.StdEncoding.EncodeToString(perm.Value[:]), perm.IntID()), text)

	// A body that another hand has padded is read too.
	c.exec("UPDATE auth_keys SET body = ? WHERE auth_key_id = ?", body+strings.Repeat("=", 0), perm.IntID())
	c.mini.FlushAll()
	_, err = c.on(0).AuthsessionQueryAuthKey(query(perm.IntID()))
	require.NoError(t, err)
}

// Junk in MySQL is a fault, never "unknown": clients would log out.
func TestAFaultIsNever401(t *testing.T) {
	c := startMini(t)
	k := c.key(dao.Permanent, 0)
	c.exec("UPDATE auth_keys SET body = '!!!' WHERE auth_key_id = ?", k.IntID())
	_, err := c.on(0).AuthsessionQueryAuthKey(query(k.IntID()))
	refused(t, err, 500, "INTERNAL_SERVER_ERROR")
	c.exec("RENAME TABLE auth_key_infos TO gone")
	_, err = c.on(0).AuthsessionQueryAuthKey(query(randomKey(t).IntID()))
	refused(t, err, 500, "INTERNAL_SERVER_ERROR")
	_, err = c.on(0).AuthsessionBindTempAuthKey(c.bindRequest(k, randomKey(t), nil))
	refused(t, err, 500, "INTERNAL_SERVER_ERROR")
	k2 := randomKey(t)
	_, err = c.on(0).AuthsessionSetAuthKey(&authsession.TLAuthsessionSetAuthKey{AuthKey: info(k2, 0)})
	refused(t, err, 500, "INTERNAL_SERVER_ERROR")
	require.Zero(t, c.number("SELECT COUNT(*) FROM auth_keys WHERE auth_key_id = ?", k2.IntID()), "all or nothing")
}
