package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/stretchr/testify/require"
)

// What is written here reads the same to an independent implementation.
func TestWrittenAsOthersRead(t *testing.T) {
	ids := []int64{1, -2, 3 << 40}
	cases := []struct {
		name string
		got  []byte
		into interface {
			bin.Decoder
			bin.Encoder
		}
		want any
	}{
		{"bad_msg_notification", AppendBadMsg(nil, 5, 7, BadTooOld), new(mt.BadMsgNotification), &mt.BadMsgNotification{BadMsgID: 5, BadMsgSeqno: 7, ErrorCode: 20}},
		{"bad_server_salt", AppendBadSalt(nil, 5, 7, -9), new(mt.BadServerSalt), &mt.BadServerSalt{BadMsgID: 5, BadMsgSeqno: 7, ErrorCode: 48, NewServerSalt: -9}},
		{"new_session_created", AppendNewSession(nil, 1, 2, 3), new(mt.NewSessionCreated), &mt.NewSessionCreated{FirstMsgID: 1, UniqueID: 2, ServerSalt: 3}},
		{"pong", AppendPong(nil, 1, 2), new(mt.Pong), &mt.Pong{MsgID: 1, PingID: 2}},
		{"msgs_ack", AppendAck(nil, ids), new(mt.MsgsAck), &mt.MsgsAck{MsgIDs: ids}},
		{"msgs_state_info", AppendStateInfo(nil, 4, []byte{1, 4, 68}), new(mt.MsgsStateInfo), &mt.MsgsStateInfo{ReqMsgID: 4, Info: []byte{1, 4, 68}}},
		{"msg_detailed_info", AppendDetailedInfo(nil, 1, 2, 3, 4), new(mt.MsgDetailedInfo), &mt.MsgDetailedInfo{MsgID: 1, AnswerMsgID: 2, Bytes: 3, Status: 4}},
		{"msg_new_detailed_info", AppendNewDetailedInfo(nil, 2, 3), new(mt.MsgNewDetailedInfo), &mt.MsgNewDetailedInfo{AnswerMsgID: 2, Bytes: 3}},
		{"destroy_session_ok", AppendDestroySession(nil, 8, true), new(mt.DestroySessionOk), &mt.DestroySessionOk{SessionID: 8}},
		{"destroy_session_none", AppendDestroySession(nil, 8, false), new(mt.DestroySessionNone), &mt.DestroySessionNone{SessionID: 8}},
		{"rpc_error", AppendError(nil, 420, "FLOOD_WAIT_3"), new(mt.RPCError), &mt.RPCError{ErrorCode: 420, ErrorMessage: "FLOOD_WAIT_3"}},
		{"rpc_answer_dropped", AppendAnswerDropped(nil, 1, 3, 5), new(mt.RPCAnswerDropped), &mt.RPCAnswerDropped{MsgID: 1, SeqNo: 3, Bytes: 5}},
		{"rpc_answer_unknown", AppendConstructor(nil, IDRPCAnswerUnknown), new(mt.RPCAnswerUnknown), &mt.RPCAnswerUnknown{}},
		{"rpc_answer_dropped_running", AppendConstructor(nil, IDRPCAnswerDroppedRunning), new(mt.RPCAnswerDroppedRunning), &mt.RPCAnswerDroppedRunning{}},
		{"gzip_packed", AppendGzip(nil, bytes.Repeat([]byte{7}, 300)), new(mt.GzipPacked), &mt.GzipPacked{PackedData: bytes.Repeat([]byte{7}, 300)}},
		{
			"future_salts", AppendFutureSalt(AppendFutureSalts(nil, 5, 6, 1), 1, 2, 3), new(mt.FutureSalts),
			&mt.FutureSalts{ReqMsgID: 5, Now: 6, Salts: []mt.FutureSalt{{ValidSince: 1, ValidUntil: 2, Salt: 3}}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := &bin.Buffer{Buf: c.got}
			require.NoError(t, c.into.Decode(b))
			require.Zero(t, b.Len())
			require.Equal(t, c.want, c.into)
		})
	}
}

// Everything that others write is read.
func TestReadAsOthersWrite(t *testing.T) {
	encode := func(e bin.Encoder) Reader {
		var b bin.Buffer
		require.NoError(t, e.Encode(&b))
		return NewReader(b.Buf)
	}
	for _, ids := range [][]int64{nil, {1}, {1, -2, 3}} {
		r := encode(&mt.MsgsStateReq{MsgIDs: ids})
		require.EqualValues(t, IDMsgsStateReq, r.ID())
		got := r.Longs()
		require.True(t, r.Done())
		require.Equal(t, len(ids), got.Len())
		for i, id := range ids {
			require.Equal(t, id, got.At(i))
			require.Equal(t, id, got.Slice(i, i+1).At(0))
		}
	}
	r := encode(&mt.HTTPWaitRequest{MaxDelay: 1, WaitAfter: 2, MaxWait: 3})
	require.EqualValues(t, IDHTTPWait, r.ID())
	require.Equal(t, []int32{1, 2, 3}, []int32{r.Int(), r.Int(), r.Int()})
	require.True(t, r.Done())

	for _, n := range []int{0, 1, 3, 253, 254, 255, 1000, 70000} {
		s := bytes.Repeat([]byte{'x'}, n)
		b := AppendBytes(nil, s)
		require.Zero(t, len(b)%4)
		r := NewReader(b)
		require.Equal(t, s, r.Bytes())
		require.True(t, r.Done())
	}
}

func TestParsePacket(t *testing.T) {
	packet := func(length int32, body, padding int) []byte {
		b := appendInt(appendInt(appendLong(nil, 8), 1), length)
		return append(b, make([]byte, body+padding)...)
	}
	cases := []struct {
		name string
		p    []byte
		ok   bool
	}{
		{"least padding", packet(8, 8, 12), true},
		{"most padding", packet(8, 8, 1024), true},
		{"empty body", packet(0, 0, 12), true},
		{"too little padding", packet(8, 8, 11), false},
		{"too much padding", packet(8, 8, 1025), false},
		{"negative length", packet(-4, 8, 12), false},
		{"length beyond the packet", packet(400, 8, 12), false},
		{"length not divisible by four", packet(6, 6, 14), false},
		{"no header", []byte{1, 2, 3}, false},
		{"nothing", nil, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := ParsePacket(c.p)
			if !c.ok {
				require.ErrorIs(t, err, ErrPacket)
				return
			}
			require.NoError(t, err)
			require.Equal(t, int64(8), m.ID)
			require.Equal(t, int32(1), m.Seq)
		})
	}
}

func TestMembers(t *testing.T) {
	member := func(id int64, n int) []byte { return append(AppendMessageHeader(nil, id, 2, n), make([]byte, n)...) }
	good := append(append(AppendContainer(nil, 2), member(4, 8)...), member(8, 0)...)
	got, err := Members(nil, good, 2)
	require.NoError(t, err)
	require.Equal(t, []Message{{4, 2, make([]byte, 8)}, {8, 2, []byte{}}}, got)

	for name, b := range map[string][]byte{
		"more than allowed":   append(append(AppendContainer(nil, 3), good[8:]...), member(12, 0)...),
		"count without bytes": AppendContainer(nil, 2),
		"negative count":      AppendContainer(nil, -1),
		"cut":                 good[:len(good)-4],
		"trailing":            append(bytes.Clone(good), 0, 0, 0, 0),
		"odd length":          append(AppendContainer(nil, 1), append(AppendMessageHeader(nil, 4, 2, 3), 0, 0, 0)...),
		"not a container":     AppendPong(nil, 1, 2),
	} {
		_, err := Members(nil, b, 2)
		require.ErrorIs(t, err, ErrContainer, name)
	}
}

func TestReadInitConnection(t *testing.T) {
	text := func(b []byte, ss ...string) []byte {
		for _, s := range ss {
			b = AppendBytes(b, s)
		}
		return b
	}
	client := text(appendInt(appendInt(nil, 3), 4), "Pixel\xff", "SDK", "12", "en-us", "android", "en")
	proxy := appendInt(text(appendID(nil, IDInputClientProxy), `a"b`), 443)
	number := func(v uint64) []byte { return appendLong(appendID(nil, IDJSONNumber), int64(v)) }
	object := appendInt(appendID(appendID(nil, IDJSONObject), IDVector), 2)
	object = append(text(appendID(object, IDJSONObjectValue), "tz_offset"), number(0x40ac200000000000)...) // 3600
	object = append(text(appendID(object, IDJSONObjectValue), "list"), appendInt(appendID(appendID(nil, IDJSONArray), IDVector), 3)...)
	object = appendID(appendID(object, IDJSONBool), IDTrue)
	object = appendID(object, IDJSONNull)
	object = text(appendID(object, IDJSONString), "\xfe")

	r := NewReader(append(append(append(bytes.Clone(client), proxy...), object...), 1, 2, 3, 4))
	c := ReadInitConnection(&r, false)
	require.True(t, r.OK())
	require.Equal(t, []byte{1, 2, 3, 4}, r.Rest())
	require.Equal(t, InitConnection{
		APIID: 4, DeviceModel: "Pixel\uFFFD", SystemVersion: "SDK", AppVersion: "12", SystemLangCode: "en-us",
		LangPack: "android", LangCode: "en",
		Proxy: `{"address":"a\"b","port":443}`, Params: "{\"tz_offset\":3600,\"list\":[true,null,\"\uFFFD\"]}",
	}, c)

	long := text(appendInt(appendInt(nil, 0), 4), strings.Repeat("é", 200), "SDK", "12", "en-us", strings.Repeat("android", 1<<16), "en")
	r = NewReader(long)
	c = ReadInitConnection(&r, false)
	require.True(t, r.Done())
	require.Equal(t, strings.Repeat("é", 127)+"\uFFFD", c.DeviceModel)
	require.Len(t, c.LangPack, 255)
	require.Equal(t, "en", c.LangCode)

	r = NewReader(append(append(bytes.Clone(client), proxy...), 9, 9, 9, 9))
	c = ReadInitConnection(&r, true)
	require.True(t, r.OK())
	require.Equal(t, "null", c.Params)

	deep := bytes.Clone(client)
	deep[0] = 2
	for range 100 {
		deep = appendInt(appendID(appendID(deep, IDJSONArray), IDVector), 1)
	}
	r = NewReader(deep)
	ReadInitConnection(&r, false)
	require.False(t, r.OK())
}

func TestBounds(t *testing.T) {
	r := NewReader(appendInt(appendID(nil, IDVector), MaxIDs+1))
	r.Longs()
	require.False(t, r.OK())
	r = NewReader(appendInt(appendID(nil, IDVector), -1))
	r.Longs()
	require.False(t, r.OK())
	for _, b := range [][]byte{{255}, {254, 1}, {254, 255, 255, 255}, {5, 1}, {}} {
		r := NewReader(b)
		require.Nil(t, r.Bytes())
		require.False(t, r.OK())
		require.Zero(t, r.Long())
		require.Zero(t, r.Int())
	}
	_, ok := ResultOf(AppendResult(nil, 7))
	require.False(t, ok, "no object")
	req, ok := ResultOf(AppendBool(AppendResult(nil, 7), true))
	require.True(t, ok)
	require.Equal(t, int64(7), req)
	_, ok = Copy(AppendPong(nil, 1, 1))
	require.False(t, ok)
	_, ok = Gzip(AppendPong(nil, 1, 1))
	require.False(t, ok)
}

// Nothing that a client can send panics or makes much of little.
func FuzzRead(f *testing.F) {
	f.Add(AppendContainer(nil, 1))
	f.Add(append(AppendContainer(nil, 1), AppendMessageHeader(nil, 4, 2, 0)...))
	f.Add(AppendGzip(nil, []byte("x")))
	f.Add(appendInt(appendID(nil, IDInitConnection), 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParsePacket(b); err == nil && len(m.Body) > len(b) {
			t.Fatal("a body larger than its packet")
		}
		members, _ := Members(nil, b, 1024)
		total := 0
		for _, m := range members {
			total += MessageHeader + len(m.Body)
		}
		if total > len(b) {
			t.Fatal("members larger than their container")
		}
		Copy(b)
		Gzip(b)
		ResultOf(b)
		for _, old := range []bool{true, false} {
			r := NewReader(b)
			c := ReadInitConnection(&r, old)
			if len(c.Params) > maxJSONText+8*len(b)+64 {
				t.Fatalf("%d bytes of params from %d", len(c.Params), len(b))
			}
		}
		r := NewReader(b)
		if l := r.Longs(); l.Len()*8 > len(b) {
			t.Fatal("a vector larger than its bytes")
		}
		r = NewReader(b)
		if len(r.appendJSON(nil, maxJSONDepth)) > maxJSONText+8*len(b)+320*maxJSONText {
			t.Fatal("text without bounds")
		}
	})
}
