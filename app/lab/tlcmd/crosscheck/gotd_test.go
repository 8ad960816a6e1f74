package crosscheck_test

import (
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

// The lab's client and BFF speak gotd's layer; the default table set must be of the same.
func TestGotdLayer(t *testing.T) {
	s, err := tl.Load(tl.Default)
	require.NoError(t, err)
	require.Equal(t, 223, tg.Layer)
	require.Equal(t, tg.Layer, s.MaxLayer())
}

// What gotd encodes comes back unchanged from TL -> protobuf -> TL.
func TestGotdRoundTrip(t *testing.T) {
	s, err := tl.Load(tl.Default)
	require.NoError(t, err)

	user := &tg.User{ID: 7, Self: true, Contact: true}
	user.SetFirstName("Ada")
	user.SetAccessHash(-5)
	user.SetStatus(&tg.UserStatusOnline{Expires: 1 << 30})
	user.SetUsernames([]tg.Username{{Username: "ada", Active: true}})
	msg := &tg.Message{ID: 3, PeerID: &tg.PeerUser{UserID: 7}, Date: 1, Message: "hello"}
	msg.SetEntities([]tg.MessageEntityClass{&tg.MessageEntityBold{Offset: 0, Length: 5}})
	msg.SetMedia(&tg.MessageMediaGeo{Geo: &tg.GeoPoint{Long: 1.5, Lat: -2, AccessHash: 9}})

	t.Run("objects", func(t *testing.T) {
		for message, in := range map[string]bin.Encoder{
			"User":   user,
			"Bool":   &tg.BoolTrue{},
			"Peer":   &tg.PeerChannel{ChannelID: 12},
			"Config": &tg.Config{DCOptions: []tg.DCOption{{ID: 2, IPAddress: "127.0.0.1", Port: 443}}, MeURLPrefix: "https://t.me/"},
			"Updates": &tg.Updates{
				Updates: []tg.UpdateClass{&tg.UpdateNewMessage{Message: msg, Pts: 1, PtsCount: 1}},
				Users:   []tg.UserClass{user}, Chats: []tg.ChatClass{}, Date: 5, Seq: 1,
			},
			"messages_Messages": &tg.MessagesMessagesSlice{
				Count: 10, Messages: []tg.MessageClass{msg, &tg.MessageEmpty{ID: 4}},
				Users: []tg.UserClass{user}, Chats: []tg.ChatClass{&tg.ChatForbidden{ID: 1, Title: "gone"}},
				Topics: []tg.ForumTopicClass{},
			},
		} {
			var b bin.Buffer
			require.NoError(t, in.Encode(&b), message)
			pb, n, err := s.Decode(nil, s.Message(message), b.Buf)
			require.NoError(t, err, message)
			require.Equal(t, len(b.Buf), n, message)
			back, err := s.Encode(nil, s.Message(message), pb, tg.Layer)
			require.NoError(t, err, message)
			require.Equal(t, b.Buf, back, message)
		}
	})

	t.Run("requests", func(t *testing.T) {
		for _, in := range []bin.Encoder{
			&tg.HelpGetConfigRequest{},
			&tg.AuthSignInRequest{PhoneNumber: "1", PhoneCodeHash: "2", PhoneCode: "3"},
			&tg.MessagesSendMessageRequest{Peer: &tg.InputPeerChannel{ChannelID: 1, AccessHash: 2}, Message: "hi", RandomID: -1},
			&tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUserSelf{}, &tg.InputUser{UserID: 1, AccessHash: 2}}},
		} {
			var b bin.Buffer
			require.NoError(t, in.Encode(&b))
			pb, m, n, err := s.DecodeRequest(nil, b.Buf, tl.MaxOutput)
			require.NoError(t, err)
			require.Equal(t, len(b.Buf), n, m.Name)
			back, err := s.Encode(nil, m.Request, pb, s.MaxLayer())
			require.NoError(t, err, m.Name)
			require.Equal(t, b.Buf, back, m.Name)
		}
	})

	t.Run("vector result", func(t *testing.T) {
		var b bin.Buffer
		require.NoError(t, (&tg.UserClassVector{Elems: []tg.UserClass{user, &tg.UserEmpty{ID: 8}}}).Encode(&b))
		m := s.MethodByName("users.getUsers")[0]
		pb, n, err := s.Decode(nil, m.Reply, b.Buf)
		require.NoError(t, err)
		require.Equal(t, len(b.Buf), n)
		back, err := s.Encode(nil, m.Reply, pb, tg.Layer)
		require.NoError(t, err)
		require.Equal(t, b.Buf, back)
	})
}
