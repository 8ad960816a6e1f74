package integration

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/authsession"
)

// device is what a client tells with its first call.
func device(call bin.Object, change func(*tg.InitConnectionRequest)) bin.Object {
	r := &tg.InitConnectionRequest{
		APIID: 4, DeviceModel: "Pixel 9", SystemVersion: "16", AppVersion: "12.1",
		SystemLangCode: "de-AT", LangPack: "android", LangCode: "de", Query: call,
	}
	if change != nil {
		change(r)
	}
	return &tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: r}
}

// Weakness 38: what a client tells about itself was stored wrongly: the
// language pack for the language, no address after a change of layer, nothing
// at all for a long IPv6 address; proxy and parameters were never read back.
func TestWeakness38DevicesAreStoredAsTheyTold(t *testing.T) {
	c := share(t)
	cl, user := c.newClient(), newUserID()
	cl.ip = "2001:db8:85a3:1234:5678:8a2e:370:7334"
	c.login(cl.key, user)
	c.answer(getState, &tg.UpdatesState{Pts: 1, Date: 1})
	cl.result(cl.call(device(&tg.UpdatesGetStateRequest{}, func(r *tg.InitConnectionRequest) {
		r.SetProxy(tg.InputClientProxy{Address: "proxy.example", Port: 443})
		r.SetParams(&tg.JSONObject{Value: []tg.JSONObjectValue{{Key: "tz_offset", Value: &tg.JSONNumber{Value: 3600}}}})
	})))
	stored := func() *authsession.ClientSession {
		state, err := c.auth.AuthsessionGetAuthStateData(t.Context(), &authsession.TLAuthsessionGetAuthStateData{AuthKeyId: cl.key.id()})
		require.NoError(t, err)
		return state.GetClient()
	}
	eventually(t, "the device is stored", func() bool { return stored().GetDeviceModel() != "" && stored().GetLayer() == tg.Layer })
	d := stored()
	require.Equal(t, "de", d.LangCode)
	require.Equal(t, "android", d.LangPack)
	require.Equal(t, "de-AT", d.SystemLangCode)
	require.Equal(t, cl.ip, d.Ip)
	require.Contains(t, d.Proxy, "proxy.example")
	require.JSONEq(t, `{"tz_offset":3600}`, d.Params)

	// The layer changes without a word about the device.
	cl.result(cl.call(&tg.InvokeWithLayerRequest{Layer: 200, Query: &tg.UpdatesGetStateRequest{}}))
	eventually(t, "the new layer is stored", func() bool { return stored().GetLayer() == 200 })
	require.Equal(t, cl.ip, stored().Ip)

	all, err := c.auth.AuthsessionGetAuthorizations(t.Context(), &authsession.TLAuthsessionGetAuthorizations{UserId: user, ExcludeAuthKeyId: cl.key.perm})
	require.NoError(t, err)
	require.Len(t, all.GetAuthorizations(), 1, "the device is listed")
	require.Equal(t, cl.ip, all.GetAuthorizations()[0].GetIp())
}

// Weakness 39: there was one layer for all sessions of a key, so that one of
// two devices got objects that it could not read.
func TestWeakness39EverySessionIsAnsweredInItsLayer(t *testing.T) {
	c := share(t)
	latest := c.newUser(newUserID())
	old := c.open(latest.key)
	const (
		messageOf169 = 0x38116ee0
		messageOf223 = 0x3ae56482
		getMessages  = "/mtproto.RPCMessages/messages_getMessages"
	)
	msg := &tg.Message{ID: 1, PeerID: &tg.PeerUser{UserID: 7}, Message: "hello", Date: 1}
	c.answer(getMessages, &tg.MessagesMessages{Messages: []tg.MessageClass{msg}})
	updates := c.updates(&tg.UpdateShort{Update: &tg.UpdateNewMessage{Message: msg, Pts: 2, PtsCount: 1}, Date: 1})

	ask := func(cl *client, layer int) []byte {
		t.Helper()
		return cl.result(cl.call(&tg.InvokeWithLayerRequest{Layer: layer, Query: &tg.MessagesGetMessagesRequest{}}))
	}
	holds := func(body []byte, constructor uint32) bool {
		return bytes.Contains(body, binary.LittleEndian.AppendUint32(nil, constructor))
	}
	require.True(t, holds(ask(latest, 223), messageOf223))
	require.True(t, holds(ask(old, 160), messageOf169))
	again := latest.result(latest.call(&tg.MessagesGetMessagesRequest{}))
	require.True(t, holds(again, messageOf223), "what another session announced changes nothing")
	calls := c.bff.seen(getMessages)
	require.EqualValues(t, 223, calls[0].Meta.Layer)
	require.EqualValues(t, 160, calls[1].Meta.Layer)
	require.EqualValues(t, 223, calls[2].Meta.Layer)

	for cl, constructor := range map[*client]uint32{latest: messageOf223, old: messageOf169} {
		cl.result(cl.call(&tg.UpdatesGetStateRequest{})) // takes the updates now
		c.push(cl.key, updates)
		m := cl.awaitConstructor(tg.UpdateShortTypeID)
		require.True(t, holds(m.body, constructor))
	}
}
