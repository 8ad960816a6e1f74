package tl_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// A client's call becomes the request message of a gRPC method, and the server's reply the result that the client reads.
func Example() {
	schema, err := tl.Load(tl.Default)
	if err != nil {
		fmt.Println(err)
		return
	}
	// account.checkUsername#2714d86c username:string, with "durov".
	call, _ := hex.DecodeString("6cd8142705" + "6475726f76" + "0000")
	request, method, n, err := schema.DecodeRequest(nil, call, tl.MaxOutput)
	if err == nil && n != len(call) { // whether a rest is allowed is for the server to say
		err = tl.TrailingError{Offset: n, Bytes: len(call) - n}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(method.Name, "goes to", method.Path)
	fmt.Printf("as %s: %x\n", method.Request.Name(), request)

	reply := protowire.AppendTag(nil, 1, protowire.BytesType) // predicate_name
	reply = protowire.AppendString(reply, "boolTrue")
	const layer = 223 // the client's
	result, err := schema.Encode(nil, method.Reply, reply, layer)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("the client reads %x\n", result)
	// Output:
	// account.checkUsername goes to /mtproto.RPCUsernames/account_checkUsername
	// as TL_account_checkUsername: 08ecb0d3b8021a056475726f76
	// the client reads b5757299
}

// One object has a constructor for each range of layers. Encode writes that of the client.
func ExampleSchema_Encode() {
	schema, err := tl.Load("0.223.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	user := protowire.AppendTag(nil, 1, protowire.BytesType)
	user = protowire.AppendString(user, "user")
	for _, layer := range []int{145, 158, 223} {
		out, err := schema.Encode(nil, schema.Message("User"), user, layer)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("layer %d: user#%08x, %d bytes\n", layer, binary.LittleEndian.Uint32(out), len(out))
	}
	// Output:
	// layer 145: user#5d99adee, 16 bytes
	// layer 158: user#8f97c628, 20 bytes
	// layer 223: user#31774388, 20 bytes
}

// The type of the object is found by its constructor's id, and the names of its fields by their numbers.
func ExampleReadSet() {
	set, err := tl.ReadSet(tl.Default)
	if err != nil {
		fmt.Println(err)
		return
	}
	schema, err := tl.Compile(set)
	if err != nil {
		fmt.Println(err)
		return
	}
	// peerUser#59511722 user_id:long = Peer, with 7.
	object, _ := hex.DecodeString("22175159" + "0700000000000000")
	id := binary.LittleEndian.Uint32(object)
	c := slices.IndexFunc(set.Constructors, func(c tlset.Constructor) bool { return c.ID == id })
	if c < 0 {
		fmt.Printf("no constructor %08x\n", id)
		return
	}
	message := schema.Message(tlset.MessageName(set.Constructors[c].Type))
	pb, _, err := schema.Decode(nil, message, object)
	if err != nil {
		fmt.Println(err)
		return
	}

	fmt.Println(message.Name())
	m := slices.IndexFunc(set.Messages, func(m tlset.Message) bool { return m.Name == message.Name() })
	names := map[protowire.Number]string{}
	for _, f := range set.Messages[m].AllFields() {
		names[protowire.Number(f.Number)] = f.Name
	}
	for len(pb) > 0 {
		number, kind, n := protowire.ConsumeTag(pb)
		size := protowire.ConsumeFieldValue(number, kind, pb[n:])
		switch kind {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(pb[n:])
			fmt.Printf("  %d %s: %d\n", number, names[number], v)
		case protowire.BytesType: // a string or bytes, or an object with fields of its own
			v, _ := protowire.ConsumeBytes(pb[n:])
			fmt.Printf("  %d %s: %q\n", number, names[number], v)
		}
		pb = pb[n+size:]
	}
	// Output:
	// Peer
	//   1 predicate_name: "peerUser"
	//   2 constructor: 1498486562
	//   3 user_id: 7
}

// TL becomes protobuf by the name of its type's message. What is read need not be all there is.
func ExampleSchema_Decode() {
	schema, err := tl.Load(tl.Default)
	if err != nil {
		fmt.Println(err)
		return
	}
	// peerUser#59511722 user_id:long = Peer, with 7, and what follows it in a stream.
	stream, _ := hex.DecodeString("22175159" + "0700000000000000" + "ffff")
	pb, n, err := schema.Decode(nil, schema.Message("Peer"), stream)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%x\n%d bytes are left\n", pb, len(stream)-n)
	// Output:
	// 0a08706565725573657210a2aec4ca051807
	// 2 bytes are left
}

// Errors say what is wrong and where; errors.As tells them apart.
func ExampleSchema_Decode_errors() {
	schema, err := tl.Load(tl.Default)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _, err = schema.Decode(nil, schema.Message("Updates"), []byte{1, 2, 3, 4})
	var unknown tl.UnknownConstructorError
	if errors.As(err, &unknown) {
		fmt.Printf("no constructor %08x, at byte %d\n", unknown.ID, unknown.Offset)
	}
	twoOfNone := []byte{0x15, 0xc4, 0xb5, 0x1c, 2, 0, 0, 0} // counts two elements, and holds none
	_, _, err = schema.Decode(nil, schema.Message("Vector_Int"), twoOfNone)
	fmt.Println(err)
	_, _, err = schema.Decode(nil, schema.Message("NoSuchThing"), nil)
	fmt.Println(err)
	// Output:
	// no constructor 04030201, at byte 0
	// tl: vector limit exceeded at offset 4
	// tl: the message is not one of the release
}
