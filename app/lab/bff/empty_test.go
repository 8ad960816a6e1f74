package bff

import (
	"strings"
	"testing"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Each method of the list exists, and each of its versions has an answer that
// clients of the layers which have that version can read.
func TestEmptyAnswers(t *testing.T) {
	schema, err := release()
	require.NoError(t, err)
	set, err := tl.ReadSet(tl.Default)
	require.NoError(t, err)
	layers := map[uint32]tlset.Layers{}
	for _, m := range set.Methods {
		layers[m.ID] = m.Layers
	}
	empties, err := newEmpties()
	require.NoError(t, err)
	used := map[string]bool{}
	names := strings.Fields(emptyMethods)
	require.Len(t, empties.methods, len(names), "no method twice")
	for _, name := range names {
		versions := schema.MethodByName(name)
		require.NotEmpty(t, versions, name)
		for _, m := range versions {
			answer := empties.answer(m)
			require.NotEmpty(t, answer, "%s returns %s", name, m.Result)
			used[m.Result] = true
			reply, _, err := schema.Decode(nil, m.Reply, answer)
			require.NoError(t, err, name)
			for _, layer := range []int{139, 143, 152, 158, 166, 177, 185, 198, 204, 214, 221, 223} {
				if layers[m.ID].Contains(layer) {
					_, err := schema.Encode(nil, m.Reply, reply, layer)
					require.NoError(t, err, "%s in layer %d", name, layer)
				}
			}
		}
	}
	for result := range empties.results {
		require.True(t, used[result], "%s is no result", result)
	}
}

func TestEmptyMethodsNeedALogin(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	_, err := d.MessagesGetAllStickers(t.Context(), 0)
	requireRPCError(t, err, 401, "AUTH_KEY_UNREGISTERED")
	info, err := d.HelpGetDeepLinkInfo(t.Context(), "x")
	require.NoError(t, err)
	require.IsType(t, (*tg.HelpDeepLinkInfoEmpty)(nil), info)
	ok, err := d.HelpSaveAppLog(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, ok)

	d.logIn(t, "15550001", "Ada")
	stickers, err := d.MessagesGetAllStickers(t.Context(), 0)
	require.NoError(t, err)
	require.IsType(t, (*tg.MessagesAllStickers)(nil), stickers)
}

func TestAlmostEmpty(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	me := d.logIn(t, "15550001", "Ada")
	terms, err := d.HelpGetTermsOfServiceUpdate(t.Context())
	require.NoError(t, err)
	require.Greater(t, terms.(*tg.HelpTermsOfServiceUpdateEmpty).Expires, now(), "clients ask again then")
	promo, err := d.HelpGetPromoData(t.Context())
	require.NoError(t, err)
	require.Greater(t, promo.(*tg.HelpPromoDataEmpty).Expires, now())
	pack, err := d.LangpackGetLangPack(t.Context(), &tg.LangpackGetLangPackRequest{LangPack: "tdesktop", LangCode: "de"})
	require.NoError(t, err)
	require.Equal(t, "de", pack.LangCode)
	pack, err = d.LangpackGetDifference(t.Context(), &tg.LangpackGetDifferenceRequest{LangCode: "de", FromVersion: 7})
	require.NoError(t, err)
	require.Equal(t, 7, pack.Version)
	language, err := d.LangpackGetLanguage(t.Context(), &tg.LangpackGetLanguageRequest{LangCode: "de"})
	require.NoError(t, err)
	require.Equal(t, "de", language.LangCode)
	_, err = d.MessagesGetStickerSet(t.Context(), &tg.MessagesGetStickerSetRequest{Stickerset: &tg.InputStickerSetEmpty{}})
	requireRPCError(t, err, 400, "STICKERSET_INVALID")
	stories, err := d.StoriesGetPeerMaxIDs(t.Context(), []tg.InputPeerClass{&tg.InputPeerSelf{}, inputPeer(me)})
	require.NoError(t, err)
	require.Len(t, stories, 2)
	required, err := d.UsersGetRequirementsToContact(t.Context(), []tg.InputUserClass{&tg.InputUserSelf{}})
	require.NoError(t, err)
	require.Len(t, required, 1)
	token, err := d.AuthExportLoginToken(t.Context(), &tg.AuthExportLoginTokenRequest{})
	require.NoError(t, err)
	require.Greater(t, token.(*tg.AuthLoginToken).Expires, now())
}

// The log names what clients miss, and nothing of what they said.
func TestUnservedMethodIsLogged(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	d := newWorld(t, Config{Logger: zap.New(core)}).client(100)
	_, err := d.ChannelsCreateChannel(t.Context(), &tg.ChannelsCreateChannelRequest{Title: "secret"})
	require.Error(t, err)
	require.False(t, tgerr.Is(err), "the code is gRPC's")
	require.Equal(t, 1, logs.FilterMessage("bff: method not served").Len())
	require.Equal(t, map[string]any{"method": "channels.createChannel", "id": uint32(tg.ChannelsCreateChannelRequestTypeID)}, logs.All()[0].ContextMap())
}
