package bff

import (
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

// raw calls a method by TL of any version, as a client of that layer, and
// returns the result's TL.
func (d *client) raw(t *testing.T, layer int, query []byte) ([]byte, error) {
	t.Helper()
	pb, method, _, err := d.w.schema.DecodeRequest(nil, query, tl.MaxOutput)
	require.NoError(t, err)
	reply, err := d.invoke(t.Context(), method.Path, pb)
	if err != nil {
		return nil, err
	}
	answer, err := d.w.schema.Encode(nil, method.Reply, reply, layer)
	require.NoError(t, err)
	return answer, nil
}

func query(id uint32, put func(b *bin.Buffer)) []byte {
	var b bin.Buffer
	b.PutID(id)
	put(&b)
	return b.Buf
}

func constructor(t *testing.T, answer []byte) uint32 {
	t.Helper()
	b := bin.Buffer{Buf: answer}
	id, err := b.ID()
	require.NoError(t, err)
	return id
}

// A client of layer 139 logs in and writes: by versions of methods whose ids the
// handlers do not know, whose parameters are carried in other fields or are
// missing, and whose results are what its layer reads.
func TestOlderVersions(t *testing.T) {
	const layer = 139
	w := newWorld(t, Config{})
	d := w.client(100)
	const phone = "15550001"
	sent, err := d.AuthSendCode(t.Context(), &tg.AuthSendCodeRequest{PhoneNumber: phone}) // the same since layer 122
	require.NoError(t, err)
	hash := sent.(*tg.AuthSentCode).PhoneCodeHash

	signIn := func(code string) ([]byte, error) {
		return d.raw(t, layer, query(0xbcd51581, func(b *bin.Buffer) { // until layer 144
			b.PutString(phone)
			b.PutString(hash)
			b.PutString(code)
		}))
	}
	_, err = signIn("99999")
	requireRPCError(t, err, 400, "PHONE_CODE_INVALID")
	_, err = signIn("")
	requireRPCError(t, err, 400, "PHONE_CODE_EMPTY")
	answer, err := signIn(DefaultCode)
	require.NoError(t, err)
	require.Equal(t, uint32(tg.AuthAuthorizationSignUpRequiredTypeID), constructor(t, answer))

	answer, err = d.raw(t, layer, query(0x80eee427, func(b *bin.Buffer) { // auth.signUp until layer 172
		b.PutString(phone)
		b.PutString(hash)
		b.PutString("Ada")
		b.PutString("")
	}))
	require.NoError(t, err)
	require.Equal(t, uint32(0x33fb7bb8), constructor(t, answer), "auth.authorization of layer 139")
	d.user = firstUserID

	answer, err = d.raw(t, layer, query(0x0d9d75a4, func(b *bin.Buffer) { // messages.sendMessage until layer 147
		b.PutUint32(1) // reply_to_msg_id, which the newest version does not have
		b.PutID(tg.InputPeerSelfTypeID)
		b.PutInt(1)
		b.PutString("hello")
		b.PutLong(42)
	}))
	require.NoError(t, err)
	require.Equal(t, uint32(tg.UpdatesTypeID), constructor(t, answer))
	history, err := d.MessagesGetHistory(t.Context(), &tg.MessagesGetHistoryRequest{Peer: &tg.InputPeerSelf{}})
	require.NoError(t, err)
	require.Equal(t, "hello", history.(*tg.MessagesMessages).Messages[0].(*tg.Message).Message)

	answer, err = d.raw(t, layer, query(0xf19ed96d, func(*bin.Buffer) {})) // messages.getDialogFilters until layer 175
	require.NoError(t, err)
	require.Equal(t, w.bff.empties.vector, answer)
	answer, err = d.raw(t, layer, query(0x98914110, func(*bin.Buffer) {})) // help.getAppConfig until layer 152
	require.NoError(t, err)
	require.Equal(t, uint32(tg.JSONObjectTypeID), constructor(t, answer))
}

// An int of an older version is a long of the newer one.
func TestOlderGetFile(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	d.logIn(t, "15550001", "Ada")
	doc := d.sendFile(t, 3000, 1024)
	answer, err := d.raw(t, 139, query(0xb15a9afc, func(b *bin.Buffer) { // until layer 142
		b.PutInt(0)
		require.NoError(t, doc.AsInputDocumentFileLocation().Encode(b))
		b.PutInt(2000)
		b.PutInt(5000)
	}))
	require.NoError(t, err)
	var file tg.UploadFile
	require.NoError(t, file.Decode(&bin.Buffer{Buf: answer}))
	require.Equal(t, pattern(3000)[2000:], file.Bytes)
}

// Every version of every method that has another version which gotd knows leads
// there, unless its result is another one.
func TestUpgradesCoverTheRelease(t *testing.T) {
	schema, err := release()
	require.NoError(t, err)
	upgrades, err := newUpgrades(schema, tl.Default)
	require.NoError(t, err)
	set, err := tl.ReadSet(tl.Default)
	require.NoError(t, err)
	known := tg.TypesMap()
	older := 0
	for _, m := range set.Methods {
		u := upgrades[m.ID]
		if u == nil {
			continue
		}
		older++
		require.Equal(t, m.Name, u.to.Name)
		require.NotEmpty(t, known[u.to.ID], m.Name)
		require.Equal(t, m.Result, u.to.Result, m.Name)
		// An empty request becomes one that the schema reads, or is refused.
		_, _ = schema.Encode(nil, u.to.Request, u.request(nil), schema.MaxLayer())
	}
	require.Greater(t, older, 100)
}

func FuzzUpgrade(f *testing.F) {
	schema, err := release()
	require.NoError(f, err)
	upgrades, err := newUpgrades(schema, tl.Default)
	require.NoError(f, err)
	signIn := upgrades[0xbcd51581]
	f.Add([]byte{0x1a, 0x01, 'a'})
	f.Add([]byte{0x0a, 0xff})
	f.Fuzz(func(t *testing.T, pb []byte) {
		_, _ = schema.Encode(nil, signIn.to.Request, signIn.request(pb), schema.MaxLayer())
	})
}
