package tl_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

// message builds protobuf messages by field name.
type message struct {
	t    testing.TB
	s    *tl.Schema
	name string
	b    []byte
}

// object starts a union message that names its constructor.
func object(t testing.TB, s *tl.Schema, name, predicate string) *message {
	return (&message{t: t, s: s, name: name}).text("predicate_name", predicate)
}

func (m *message) tag(field string, typ protowire.Type) {
	n, ok := m.s.FieldNumber(m.name, field)
	require.True(m.t, ok, "%s.%s", m.name, field)
	m.b = protowire.AppendTag(m.b, protowire.Number(n), typ)
}

func (m *message) number(field string, v int64) *message {
	m.tag(field, protowire.VarintType)
	m.b = protowire.AppendVarint(m.b, uint64(v))
	return m
}

func (m *message) text(field, v string) *message {
	m.tag(field, protowire.BytesType)
	m.b = protowire.AppendString(m.b, v)
	return m
}

func (m *message) wrapped(field string, v int64) *message {
	return m.text(field, string(protowire.AppendVarint([]byte{8}, uint64(v))))
}

func (m *message) object(field string, o *message) *message { return m.text(field, string(o.b)) }

func (m *message) toTL(layer int) ([]byte, error) {
	return m.s.Encode(nil, m.s.Message(m.name), m.b, layer)
}

func ints(v ...uint32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

func cat(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func TestErrorsToProto(t *testing.T) {
	s := load(t, tl.Default)
	deep := func(n int) []byte { // textBold in textBold …
		b := []byte{}
		for range n - 1 {
			b = append(b, ints(0x6724abc4)...)
		}
		return append(b, ints(0xdc3d824f)...) // textEmpty
	}
	for name, c := range map[string]struct {
		message string
		in      []byte
		want    error
	}{
		"empty":                {"User", nil, tl.TruncatedError{}},
		"three bytes":          {"User", []byte{1, 2, 3}, tl.TruncatedError{}},
		"unknown constructor":  {"User", ints(0xdeadbeef), tl.UnknownConstructorError{ID: 0xdeadbeef}},
		"another type":         {"User", ints(0x997275b5), tl.UnexpectedConstructorError{ID: 0x997275b5, Want: "User"}},
		"nested unknown":       {"RichText", ints(0x6724abc4, 7), tl.UnknownConstructorError{ID: 7, Offset: 4}},
		"unknown method":       {"TL_ping", ints(5), tl.UnknownConstructorError{ID: 5}},
		"another method":       {"TL_ping", ints(0xf3427b8c, 0, 0, 0), tl.UnexpectedConstructorError{ID: 0xf3427b8c, Want: "TL_ping"}},
		"short int":            {"TL_ping", ints(0x7abe77ec, 0), tl.TruncatedError{Offset: 4}},
		"short string":         {"RichText", cat(ints(0x744694e0), []byte{9, 'a', 'b', 'c'}), tl.TruncatedError{Offset: 4}},
		"short long string":    {"RichText", cat(ints(0x744694e0), []byte{254, 9, 0, 0}), tl.TruncatedError{Offset: 4}},
		"string length 255":    {"RichText", cat(ints(0x744694e0), []byte{255, 9, 0, 0}), tl.TruncatedError{Offset: 4}},
		"short int128":         {"TL_req_pq", ints(0x60469778, 1, 2, 3), tl.TruncatedError{Offset: 4}},
		"no vector":            {"Vector_Int", ints(1, 0), tl.UnexpectedConstructorError{ID: 1, Want: "Vector"}},
		"vector without end":   {"Vector_Int", ints(0x1cb5c415), tl.TruncatedError{Offset: 4}},
		"vector too long":      {"Vector_Int", ints(0x1cb5c415, 2, 1), tl.LimitError{What: "vector", Offset: 4}},
		"vector huge":          {"Vector_User", ints(0x1cb5c415, 0xffffffff, 1), tl.LimitError{What: "vector", Offset: 4}},
		"vector of half longs": {"Vector_Long", ints(0x1cb5c415, 2, 1, 2, 3), tl.TruncatedError{Offset: 8}},
		"depth 33":             {"RichText", deep(33), tl.LimitError{What: "depth", Offset: 33 * 4}},
		"unknown message":      {"Nothing", nil, tl.UnknownMessageError{}},
	} {
		t.Run(name, func(t *testing.T) {
			out, n, err := s.Decode([]byte("x"), s.Message(c.message), c.in)
			require.Equal(t, c.want, err)
			require.NotEmpty(t, err.Error())
			require.Equal(t, "x", string(out))
			require.Zero(t, n)
		})
	}
	_, _, err := s.Decode(nil, s.Message("RichText"), deep(32))
	require.NoError(t, err)

	_, m, _, err := s.DecodeRequest(nil, ints(1), tl.MaxOutput)
	require.Equal(t, tl.UnknownConstructorError{ID: 1}, err)
	require.Nil(t, m)
	_, m, _, err = s.DecodeRequest(nil, ints(0x7abe77ec), tl.MaxOutput)
	require.Equal(t, tl.TruncatedError{Offset: 4}, err)
	require.Equal(t, "ping", m.Name, "the method is known although its arguments are broken")
}

func TestOutputLimit(t *testing.T) {
	s := load(t, tl.Default)
	n := tl.MaxOutput/20 + 1 // inputUserSelf takes 4 bytes of TL and more than 20 of protobuf
	in := ints(0x0d91a548, 0x1cb5c415, uint32(n))
	for range n {
		in = append(in, ints(0xf7c1b13f)...)
	}
	_, _, _, err := s.DecodeRequest(nil, in, tl.MaxOutput)
	require.ErrorAs(t, err, new(tl.LimitError))
	require.ErrorContains(t, err, "output")
}

func TestInputLimit(t *testing.T) {
	s := load(t, tl.Default)
	in := make([]byte, tl.MaxInput+1)
	want := tl.LimitError{What: "input", Offset: tl.MaxInput}
	_, _, _, err := s.DecodeRequest(nil, in, tl.MaxOutput)
	require.Equal(t, want, err)
	_, _, err = s.Decode(nil, s.Message("User"), in)
	require.Equal(t, want, err)
	_, err = s.Encode(nil, s.Message("User"), in, 223)
	require.Equal(t, want, err)
}

func TestErrorsToTL(t *testing.T) {
	s := load(t, tl.Default)
	long := strings.Repeat("x", 1<<24)
	for name, c := range map[string]struct {
		m    *message
		want error
	}{
		"no predicate":      {&message{t: t, s: s, name: "User"}, tl.UnknownPredicateError{Message: "User"}},
		"unknown predicate": {object(t, s, "User", "nobody"), tl.UnknownPredicateError{Message: "User", Predicate: "nobody"}},
		"another type's":    {object(t, s, "User", "boolTrue"), tl.UnknownPredicateError{Message: "User", Predicate: "boolTrue"}},
		"malformed":         {&message{s: s, name: "User", b: []byte{0x0a, 5, 'u'}}, tl.MalformedError{What: "protobuf"}},
		"malformed field": {
			&message{s: s, name: "Bool", b: append(object(t, s, "Bool", "boolTrue").b, 0xff)},
			tl.MalformedError{What: "protobuf"},
		},
		"group":    {&message{s: s, name: "TL_ping", b: []byte{0x1b, 0x1c}}, tl.MalformedError{What: "protobuf"}},
		"required": {object(t, s, "Update", "updateNewMessage"), tl.RequiredError{Predicate: "updateNewMessage", Field: "message_MESSAGE"}},
		"unknown method": {
			(&message{t: t, s: s, name: "TL_auth_signIn"}).number("constructor", 3),
			tl.UnknownMethodError{Message: "TL_auth_signIn", ID: 3},
		},
		"no method":       {&message{s: s, name: "TL_auth_signIn"}, tl.UnknownMethodError{Message: "TL_auth_signIn"}},
		"another int128":  {(&message{t: t, s: s, name: "TL_req_pq"}).text("nonce", "12345"), tl.MalformedError{What: "int128 or int256", Offset: 2}},
		"long string":     {object(t, s, "RichText", "textPlain").text("text_STRING", long), tl.LimitError{What: "string", Offset: 16}},
		"bad wrapper":     {object(t, s, "User", "user").text("access_hash", "\x08"), tl.MalformedError{What: "wrapper", Offset: 9}},
		"unknown message": {&message{s: s, name: "Nothing"}, tl.UnknownMessageError{}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := s.Encode([]byte("x"), s.Message(c.m.name), c.m.b, 223)
			require.Equal(t, c.want, err)
			require.NotEmpty(t, err.Error())
			require.Equal(t, "x", string(out))
		})
	}
	deep := object(t, s, "RichText", "textEmpty")
	for range 32 {
		deep = object(t, s, "RichText", "textBold").object("text_RICHTEXT", deep)
	}
	_, err := deep.toTL(223)
	require.Equal(t, tl.LimitError{What: "depth"}, err)
}

func TestWrappers(t *testing.T) {
	s := load(t, tl.Default)
	query := ints(0xc4f9186b)
	in := cat(ints(0xda9b0d0d, 223), query, []byte("anything"))
	pb, m, n, err := s.DecodeRequest(nil, in, tl.MaxOutput)
	require.NoError(t, err)
	require.Equal(t, len(in), n)
	require.True(t, m.Wrapper())
	back, err := s.Encode(nil, m.Request, pb, s.MaxLayer())
	require.NoError(t, err)
	require.Equal(t, in, back)

	_, err = s.Encode(nil, m.Reply, nil, 223)
	require.Equal(t, tl.UnknownMessageError{}, err, "the result is that of the query")
	_, _, err = s.Decode(nil, m.Reply, nil)
	require.Equal(t, tl.UnknownMessageError{}, err, "the result is that of the query")

	// A request is followed by what its caller makes of it.
	_, m, n, err = s.DecodeRequest(nil, append(query, 1, 2, 3, 4), tl.MaxOutput)
	require.NoError(t, err)
	require.Equal(t, "help.getConfig", m.Name)
	require.Equal(t, 4, n)
	// The only version of a method needs no constructor.
	back, err = s.Encode(nil, m.Request, nil, s.MaxLayer())
	require.NoError(t, err)
	require.Equal(t, query, back)
}

func TestResults(t *testing.T) {
	s := load(t, tl.Default)
	m := s.MethodByName("users.getUsers")[0]
	in := ints(0x1cb5c415, 2, 0xd3bc4b7a, 5, 0, 0xd3bc4b7a, 6, 0)
	pb, n, err := s.Decode(nil, m.Reply, in)
	require.NoError(t, err)
	require.Equal(t, len(in), n)
	back, err := s.Encode(nil, m.Reply, pb, 223)
	require.NoError(t, err)
	require.Equal(t, in, back)

	empty, err := s.Encode(nil, m.Reply, nil, 223)
	require.NoError(t, err)
	require.Equal(t, ints(0x1cb5c415, 0), empty)

	yes := object(t, s, "Bool", "boolTrue")
	out, err := s.Encode(nil, s.MethodByName("auth.dropTempAuthKeys")[0].Reply, yes.b, -5)
	require.NoError(t, err)
	require.Equal(t, ints(0x997275b5), out)
}

// protobuf allows what Go's marshaller does not write.
func TestLenientProtobuf(t *testing.T) {
	s := load(t, tl.Default)
	peer := func() *message { return &message{t: t, s: s, name: "Peer"} }
	plain := object(t, s, "Peer", "peerUser").number("user_id", 7)
	want, err := plain.toTL(223)
	require.NoError(t, err)
	require.Equal(t, ints(0x59511722, 7, 0), want)

	for name, m := range map[string]*message{
		"last value wins":        object(t, s, "Peer", "peerUser").number("user_id", 1).number("user_id", 7),
		"predicate last":         peer().number("user_id", 7).text("predicate_name", "peerUser"),
		"last predicate wins":    object(t, s, "Peer", "peerChat").number("user_id", 7).text("predicate_name", "peerUser"),
		"constructor only":       peer().number("constructor", 0x59511722).number("user_id", 7),
		"constructor is a hint":  object(t, s, "Peer", "peerUser").number("constructor", 5).number("user_id", 7),
		"wrong wire type":        object(t, s, "Peer", "peerUser").number("user_id", 7).text("user_id", "x"),
		"another constructor's":  object(t, s, "Peer", "peerUser").number("chat_id", 9).number("user_id", 7),
		"unknown field":          {s: s, name: "Peer", b: append(append([]byte{}, plain.b...), 0xfd, 0x7f, 1, 2, 3, 4)},
		"head, then another too": {s: s, name: "Peer", b: append(unhex(t, "0a08706565724368617410b79e85b203"), plain.b...)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.toTL(223)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}

	t.Run("numbers packed or not", func(t *testing.T) {
		for _, b := range []string{"0a03010203", "080108020803", "0a020102" + "0803", "0801" + "0a00" + "0a020203"} {
			got, err := s.Encode(nil, s.Message("Vector_Int"), unhex(t, b), 223)
			require.NoError(t, err)
			require.Equal(t, ints(0x1cb5c415, 3, 1, 2, 3), got, b)
		}
	})
	t.Run("elements apart", func(t *testing.T) {
		m := (&message{t: t, s: s, name: "Vector_String"}).text("datas", "a")
		m.b = append(m.b, 0x10, 5) // a field no one knows between
		got, err := m.text("datas", "b").toTL(223)
		require.NoError(t, err)
		require.Equal(t, cat(ints(0x1cb5c415, 2), []byte("\x01a\x00\x00\x01b\x00\x00")), got)
	})
	t.Run("flag off again", func(t *testing.T) {
		m := object(t, s, "User", "user").number("bot_nochats", 1).number("bot_nochats", 0)
		a, err := m.toTL(223)
		require.NoError(t, err)
		b, err := object(t, s, "User", "user").toTL(223)
		require.NoError(t, err)
		require.Equal(t, b, a)
	})
}

func TestSharedBits(t *testing.T) {
	s := load(t, tl.Default)

	t.Run("absent scalar is zero", func(t *testing.T) {
		got, err := object(t, s, "MessageReplies", "messageReplies").number("comments", 1).toTL(223)
		require.NoError(t, err)
		require.Equal(t, ints(0x83d60fc2, 1, 0, 0, 0, 0), got)
	})
	t.Run("absent object clears the bit", func(t *testing.T) {
		before := s.Stats().Dropped
		got, err := object(t, s, "FactCheck", "factCheck").text("country", "").number("hash", 5).toTL(223)
		require.NoError(t, err)
		require.Equal(t, ints(0xb89bfccf, 0, 5, 0), got)
		require.Greater(t, s.Stats().Dropped, before)
	})
	t.Run("absent object has an empty constructor", func(t *testing.T) {
		m := s.MethodByName("messages.acceptUrlAuth")[0]
		req := (&message{t: t, s: s, name: "TL_messages_acceptUrlAuth"}).
			number("constructor", int64(int32(m.ID))).wrapped("msg_id", 3)
		got, err := s.Encode(nil, m.Request, req.b, s.MaxLayer())
		require.NoError(t, err)
		require.Contains(t, string(got), string(ints(0x7f3b18ea, 3)), "inputPeerEmpty stands for the peer")
		_, n, err := s.Decode(nil, s.Message(req.name), got)
		require.NoError(t, err)
		require.Equal(t, len(got), n)
	})
}

func TestLayers(t *testing.T) {
	s := load(t, tl.Default)

	t.Run("the layer's version", func(t *testing.T) {
		m := object(t, s, "MessageReplyHeader", "messageReplyHeader").
			number("reply_to_msg_id_INT32", 4).wrapped("reply_to_msg_id_FLAGINT32", 4)
		old, err := m.toTL(165)
		require.NoError(t, err)
		require.Equal(t, ints(0xa6d57763, 0, 4), old)
		now, err := m.toTL(223)
		require.NoError(t, err)
		require.Equal(t, ints(0x6917560b, 1<<4, 4), now)
	})
	t.Run("clamped", func(t *testing.T) {
		m := object(t, s, "MessageReplyHeader", "messageReplyHeader").number("reply_to_msg_id_INT32", 4)
		before := s.Stats().Clamped
		low, err := m.toTL(1)
		require.NoError(t, err)
		require.Equal(t, ints(0xa6d57763, 0, 4), low)
		high, err := m.toTL(10_000)
		require.NoError(t, err)
		require.Equal(t, ints(0x6917560b, 0), high)
		require.Equal(t, before+2, s.Stats().Clamped)
	})

	todo := object(t, s, "MessageMedia", "messageMediaToDo").
		object("todo", object(t, s, "TodoList", "todoList").object("title", object(t, s, "TextWithEntities", "textWithEntities")))
	t.Run("substitute", func(t *testing.T) {
		before := s.Stats().Substituted
		got, err := todo.toTL(200)
		require.NoError(t, err)
		require.Equal(t, ints(0x9f84f49e), got, "messageMediaUnsupported")
		require.Equal(t, before+1, s.Stats().Substituted)
		got, err = todo.toTL(223)
		require.NoError(t, err)
		require.NotEqual(t, ints(0x9f84f49e), got)
	})
	t.Run("substitute keeps common fields", func(t *testing.T) {
		got, err := object(t, s, "MessageEntity", "messageEntityFormattedDate").number("offset", 2).number("length", 3).toTL(222)
		require.NoError(t, err)
		require.Equal(t, ints(0xbb92ba95, 2, 3), got, "messageEntityUnknown")
	})

	fresh := func() *message { return object(t, s, "Update", "updateStarGiftCraftFail") }
	config := func() *message { return object(t, s, "Update", "updateConfig") }
	t.Run("element dropped", func(t *testing.T) {
		got, err := object(t, s, "Updates", "updates").object("updates", config()).object("updates", fresh()).
			object("updates", config()).number("date", 1).number("seq", 2).toTL(200)
		require.NoError(t, err)
		require.Equal(t, ints(0x74ae4240, 0x1cb5c415, 2, 0xa229dd06, 0xa229dd06, 0x1cb5c415, 0, 0x1cb5c415, 0, 1, 2), got)
	})
	t.Run("parent substituted", func(t *testing.T) {
		got, err := object(t, s, "Updates", "updateShort").object("update", fresh()).number("date", 5).toTL(200)
		require.NoError(t, err)
		require.Equal(t, ints(0xe317af7e), got, "updatesTooLong")
	})
	t.Run("not in layer", func(t *testing.T) {
		_, err := fresh().toTL(200)
		require.Equal(t, tl.NotInLayerError{Predicate: "updateStarGiftCraftFail", Layer: 200}, err)
		require.NotEmpty(t, err.Error())
	})
	t.Run("optional field dropped", func(t *testing.T) {
		story := object(t, s, "MessageReplyHeader", "messageReplyStoryHeader").number("story_id", 3).
			object("peer", object(t, s, "Peer", "peerUser").number("user_id", 1))
		m := object(t, s, "Message", "message").number("id", 1).text("message", "hi").number("date", 2).
			object("peer_id", object(t, s, "Peer", "peerUser").number("user_id", 7)).object("reply_to", story)
		got, err := m.toTL(150)
		require.NoError(t, err)
		require.Equal(t, cat(ints(0x38116ee0, 0, 1, 0x59511722, 7, 0, 2), []byte("\x02hi\x00")), got)
		got, err = m.toTL(223)
		require.NoError(t, err)
		require.Contains(t, string(got), string(ints(0x0e5af939)), "messageReplyStoryHeader")
	})
}
