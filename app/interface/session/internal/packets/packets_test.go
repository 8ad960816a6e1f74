package packets

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
	"github.com/tgsession/tgsession/proto/session"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := Codec.Marshal(v)
	require.NoError(t, err)
	defer b.Free()
	return b.Materialize()
}

func generated(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

func FuzzOut(f *testing.F) {
	f.Add(int64(1), int64(-2), []byte("payload"), []byte(nil), "")
	f.Add(int64(0), int64(0), []byte{}, []byte(nil), "id")
	f.Add(int64(-1), int64(1<<62), bytes.Repeat([]byte{7}, copied), []byte("tail"), "")
	f.Add(int64(-1), int64(1<<62), bytes.Repeat([]byte{7}, copied+1), bytes.Repeat([]byte{8}, 300), "")
	f.Add(int64(-1), int64(1<<62), []byte{7}, bytes.Repeat([]byte{8}, 3000), "")
	f.Fuzz(func(t *testing.T, key, sessionID int64, payload, tail []byte, id string) {
		data := &gateway.TLGatewaySendDataToGateway{AuthKeyId: key, SessionId: sessionID, Payload: slices.Concat(payload, tail)}
		want := generated(t, &gateway.GatewayStreamRequest{Payload: &gateway.GatewayStreamRequest_SendData{SendData: data}})
		out := &Out{AuthKeyID: key, SessionID: sessionID, Payload: payload, Tail: tail}
		require.Equal(t, want, encode(t, out))
		require.Equal(t, string(generated(t, data)), string(encode(t, (*Request)(out))))
		if in, room := buffers.NewRoom(buffers.Smallest + len(tail)); len(tail) > 1<<10 { // gRPC keeps no shorter one
			in = append(in, tail...)
			out.Tail, out.Room = in, room
			require.Equal(t, want, encode(t, out))
			require.Equal(t, 1, room.Holders())
		}

		ack := &session.SessionStreamResponse{RequestId: id, Payload: &session.SessionStreamResponse_Ack{Ack: &session.SessionStreamAck{Success: true}}}
		if want, err := proto.Marshal(ack); err == nil { // it was decoded by protobuf, which lets no other id pass
			require.Equal(t, want, encode(t, &Reply{RequestID: id}))
		}
	})
}

func TestRepliesThatAreNoAcknowledgment(t *testing.T) {
	require.Equal(t, generated(t, &session.SessionStreamResponse{RequestId: "a", Payload: &session.SessionStreamResponse_Error{
		Error: &session.SessionStreamError{Code: 420, Message: "FULL"},
	}}), encode(t, &Reply{RequestID: "a", Err: status.Error(420, "FULL")}))
	key := &mtproto.AuthKeyInfo{AuthKeyId: 7, AuthKey: []byte{1}}
	require.Equal(t, generated(t, &session.SessionStreamResponse{RequestId: "b", Payload: &session.SessionStreamResponse_AuthKey{AuthKey: key}}),
		encode(t, &Reply{RequestID: "b", Key: key}))
	require.Equal(t, generated(t, key), encode(t, key), "what is not of this package")
}

// pieces is b as it comes from the network: in one piece or in two.
func pieces(b []byte, two bool) mem.BufferSlice {
	if two {
		return mem.BufferSlice{mem.SliceBuffer(b[:len(b)/2]), mem.SliceBuffer(b[len(b)/2:])}
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}
}

func request(data *session.SessionClientData) *session.SessionStreamRequest {
	return &session.SessionStreamRequest{RequestId: "id", Payload: &session.SessionStreamRequest_SendData{
		SendData: &session.TLSessionSendDataToSession{Constructor: 5, Data: data},
	}}
}

var packet = &session.SessionClientData{
	PredicateName: "sessionClientData", Constructor: -3, ServerId: "10.0.0.2:20110", ConnType: 1, AuthKeyId: -1, KeyType: 2,
	PermAuthKeyId: 3, SessionId: -4, ClientIp: "203.0.113.7", QuickAck: 5, Salt: -6, Payload: []byte("payload"),
}

var updates = &session.TLSessionPushUpdatesData{Constructor: -7, PermAuthKeyId: -8, Notification: true, Updates: []byte("updates")}

// FuzzIn compares what is decoded, or refused, with what the generated code makes of it.
func FuzzIn(f *testing.F) {
	seed := func(m proto.Message, more ...byte) {
		b, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(append(b, more...), false)
		f.Add(append(b, more...), true)
	}
	usual := request(packet)
	seed(usual)
	pushed := &session.SessionStreamRequest{RequestId: "id", Payload: &session.SessionStreamRequest_PushUpdates{PushUpdates: updates}}
	seed(pushed)
	seed(pushed, 10<<3|byte(protowire.BytesType), 0)          // then it is to send data
	seed(pushed, 15<<3|byte(protowire.BytesType), 2, 4<<3, 0) // fields are merged
	seed(&session.SessionStreamRequest{Payload: &session.SessionStreamRequest_PushUpdates{PushUpdates: &session.TLSessionPushUpdatesData{}}})
	seed(pushed, 15<<3|byte(protowire.BytesType), 3, 200, 6, 7) // an unknown field
	seed(request(nil))
	seed(request(&session.SessionClientData{}))
	seed(request(&session.SessionClientData{ClientIp: "é", Payload: []byte{}}))
	seed(&session.SessionStreamRequest{})
	seed(&session.SessionStreamRequest{RequestId: "é", Payload: &session.SessionStreamRequest_QueryAuthKey{QueryAuthKey: &session.TLSessionQueryAuthKey{AuthKeyId: 1}}})
	twice, err := proto.Marshal(usual)
	require.NoError(f, err)
	seed(usual, twice...)                                                     // fields are merged
	seed(usual, protowire.AppendTag(nil, 11, protowire.StartGroupType)...)    // broken
	seed(usual, protowire.AppendVarint([]byte{200, 6}, 7)...)                 // an unknown field
	seed(usual, 10<<3|byte(protowire.VarintType), 1)                          // of another kind
	seed(usual, 10<<3|byte(protowire.BytesType), 100)                         // too short
	seed(usual, append([]byte{1<<3 | byte(protowire.BytesType), 1}, 0xff)...) // no UTF-8
	f.Fuzz(func(t *testing.T, b []byte, two bool) {
		var want session.SessionStreamRequest
		refused := proto.Unmarshal(b, &want)
		in := In{RequestID: "of before", server: "10.0.0.2:20110"}
		err := Codec.Unmarshal(pieces(b, two), &in)
		require.Equal(t, refused == nil, err == nil, "%v, %v", refused, err)
		if err != nil {
			return
		}
		require.Equal(t, want.GetRequestId(), in.RequestID)
		switch {
		case in.Data != nil:
			require.Nil(t, in.Push)
			require.Nil(t, in.Other)
			require.True(t, proto.Equal(want.GetSendData(), in.Data), "%v\n%v", want.GetSendData(), in.Data)
		case in.Push != nil:
			require.Nil(t, in.Other)
			require.True(t, proto.Equal(want.GetPushUpdates(), in.Push), "%v\n%v", want.GetPushUpdates(), in.Push)
		default:
			require.True(t, proto.Equal(&want, in.Other))
			return
		}

		var answer gateway.GatewayStreamResponse
		var got Answer
		require.Equal(t, proto.Unmarshal(b, &answer) == nil, Codec.Unmarshal(pieces(b, two), &got) == nil)
	})
}

// The usual request is decoded here, and has nothing in common with the buffer it came
// in, which gRPC uses again.
func TestInKeepsNothingOfItsBuffer(t *testing.T) {
	b := generated(t, request(packet))
	var in In
	require.NoError(t, Codec.Unmarshal(pieces(b, false), &in))
	clear(b)
	require.Nil(t, in.Other)
	require.Equal(t, "id", in.RequestID)
	require.True(t, proto.Equal(packet, in.Data.GetData()))
	first := in.Data
	require.NoError(t, Codec.Unmarshal(pieces(generated(t, request(&session.SessionClientData{ServerId: "another"})), false), &in))
	require.True(t, proto.Equal(packet, first.GetData()), "the one before is left alone")
	require.Equal(t, "another", in.Data.GetData().GetServerId())
}

func FuzzAnswer(f *testing.F) {
	for _, m := range []*gateway.GatewayStreamResponse{{}, {Success: true}, {RequestId: "id", Success: true}, {RequestId: "é"}} {
		b, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(b, false)
		f.Add(append(b, 2<<3|byte(protowire.VarintType), 0), true)
	}
	f.Add([]byte{1<<3 | byte(protowire.BytesType), 1, 0xff}, false)
	f.Add([]byte{9 << 3, 1}, false)
	for _, m := range []*mtproto.Bool{{}, {PredicateName: "boolTrue"}, {PredicateName: "boolFalse"}, {PredicateName: "boolTrue", Constructor: -1720552011}} {
		b, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, two bool) {
		var want gateway.GatewayStreamResponse
		refused := proto.Unmarshal(b, &want)
		got := Answer{Success: true}
		err := Codec.Unmarshal(pieces(b, two), &got)
		require.Equal(t, refused == nil, err == nil)
		if err == nil {
			require.Equal(t, want.GetSuccess(), got.Success)
		}

		var is mtproto.Bool
		refused = proto.Unmarshal(b, &is)
		yes := Bool{True: true}
		err = Codec.Unmarshal(pieces(b, two), &yes)
		require.Equal(t, refused == nil, err == nil)
		if err == nil {
			require.Equal(t, is.GetPredicateName() == "boolTrue", yes.True)
		}
	})
}

func TestCodecIsProtobufForOthers(t *testing.T) {
	require.Equal(t, encoding.GetCodecV2(grpcproto.Name).Name(), Codec.Name())
	_, err := Codec.Marshal(errors.New("no message"))
	require.Error(t, err)
	require.Error(t, Codec.Unmarshal(nil, errors.New("no message")))
}

// A call of its own with a large packet is read like any other, into a buffer that is used
// again.
func TestLargeCalls(t *testing.T) {
	payload := bytes.Repeat([]byte("payload"), 20_000)
	data := proto.CloneOf(packet)
	data.Payload = payload
	call := &session.TLSessionSendDataToSession{Constructor: 5, Data: data}
	strange := append(generated(t, call), protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1)...)
	for name, c := range map[string]struct {
		b   []byte
		own bool // it is read here, not by protobuf
	}{"usual": {generated(t, call), true}, "with a field that is not known": {strange, false}} {
		for _, two := range []bool{false, true} {
			want, got := new(session.TLSessionSendDataToSession), &session.TLSessionSendDataToSession{Constructor: 9}
			require.NoError(t, proto.Unmarshal(c.b, want))
			require.NoError(t, Codec.Unmarshal(pieces(c.b, two), got))
			require.True(t, proto.Equal(want, got), name)
			require.Equal(t, c.own, cap(got.Data.Payload) == cap(*buffers.Pool.Get(len(payload))), name)
		}
	}
	require.Error(t, Codec.Unmarshal(pieces(append(generated(t, call), 0xff), true), new(session.TLSessionSendDataToSession)))
}
