package sim

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/tl"
)

// The schema is read once for all runs.
var loadSchema = sync.OnceValues(func() (*tl.Schema, error) { return tl.Load(tl.Default) })

// TL that a client writes.

func appendID(b []byte, id uint32) []byte { return binary.LittleEndian.AppendUint32(b, id) }

func appendInt(b []byte, v int32) []byte { return appendID(b, uint32(v)) }

func appendLong(b []byte, v int64) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(v))
}

func tlLongs(id uint32, ids ...int64) []byte {
	b := appendInt(appendID(appendID(nil, id), wire.IDVector), int32(len(ids)))
	for _, v := range ids {
		b = appendLong(b, v)
	}
	return b
}

func tlInit(layer, build int32, query []byte) []byte {
	b := appendInt(appendID(nil, wire.IDInvokeWithLayer), layer)
	b = appendInt(appendInt(appendID(b, wire.IDInitConnection), 0), 4)
	for _, s := range []string{"Pixel 9", "SDK 36", fmt.Sprintf("12.%d", build), "en-us", "android", "en"} {
		b = wire.AppendBytes(b, s)
	}
	return append(b, query...)
}

// Methods that clients call. Their answers tell whose they are.
const (
	anyone = "help.getNearestDc"     // needs no login; its answer may be large
	state  = "updates.getState"      // takes the updates
	member = "account.getAccountTTL" // needs a login
	signIn = "auth.signIn"
	secret = "auth.checkPassword"
	logOut = "auth.logOut"

	register = "account.registerDevice" // needs a login
)

// query is a call of a method.
func query(schema *tl.Schema, method string) []byte {
	b := appendID(nil, schema.MethodByName(method)[0].ID)
	switch method {
	case secret:
		b = appendID(b, 0x9880f658) // inputCheckPasswordEmpty
	case signIn:
		b = appendInt(b, 1) // phone_code is there
		for _, s := range []string{"+888", "hash", "12345"} {
			b = wire.AppendBytes(b, s)
		}
	}
	return b
}

// object is the answer to a call of a method; tag tells it from all others.
func object(method, tag string, size int) []byte {
	switch method {
	case anyone: // nearestDc
		text := []byte(tag)
		few := 1 + uint64(size%2)*25 // letters: it shrinks by all or by little
		for n := uint64(len(tag)); len(text) < size; n = n*6364136223846793005 + 1442695040888963407 {
			text = append(text, byte('a'+n>>33%few))
		}
		return appendInt(appendInt(wire.AppendBytes(appendID(nil, 0x8e1a1775), text), 1), 1)
	case state: // updates.state
		b := appendID(nil, 0xa56c2a3e)
		for i := range int32(5) {
			b = appendInt(b, number(tag)+i)
		}
		return b
	case register:
		return wire.AppendBool(nil, true)
	case member: // accountDaysTTL
		return appendInt(appendID(nil, 0xb8d0afdf), number(tag))
	}
	return nil
}

// number makes 31 bits of a tag.
func number(tag string) int32 {
	h := uint32(2166136261)
	for i := range len(tag) {
		h = (h ^ uint32(tag[i])) * 16777619
	}
	return int32(h >> 1)
}

const (
	idAuthorization    = 0x2ea2c0d4
	idAuthorizationOld = 0x33fb7bb8 // in layers that nobody has any more, and for clients that told none
	idLoggedOut        = 0xc3a2835f
	idUpdateShort      = 0x78d4dec1
	idUpdateUserPhone  = 0x05492a13
)

// pb is an encoded protobuf object: a predicate and fields by name, ascending.
func pb(schema *tl.Schema, message, predicate string, fields ...field) []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), predicate)
	for _, f := range fields {
		n, ok := schema.FieldNumber(message, f.name)
		if !ok { // a mistake in the simulation itself: no run can go on
			panic("sim: no field " + message + "." + f.name)
		}
		if f.object != nil {
			b = protowire.AppendBytes(protowire.AppendTag(b, protowire.Number(n), protowire.BytesType), f.object)
		} else {
			b = protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(n), protowire.VarintType), uint64(f.value))
		}
	}
	return b
}

type field struct {
	name   string
	value  int64
	object []byte
}

// update is updates that a client tells apart by their date. They hold a text of
// some size, or none.
func update(schema *tl.Schema, serial int32, text []byte) []byte {
	inside := pb(schema, "Update", "updateConfig")
	if len(text) > 0 {
		inside = pb(schema, "Update", "updateUserPhone", field{name: "phone", object: text})
	}
	return pb(schema, "Updates", "updateShort", field{name: "update", object: inside}, field{name: "date", value: int64(serial)})
}

// serialIn is what update had put in, as a client gets it.
func serialIn(r *wire.Reader) int32 {
	if r.ID() == idUpdateUserPhone {
		r.Long()
		r.Bytes()
	}
	return r.Int()
}

// reset says that the login of a key has ended.
func reset(schema *tl.Schema, user, key int64) []byte {
	return pb(schema, "Updates", "updateAccountResetAuthorization", field{name: "user_id", value: user}, field{name: "auth_key_id", value: key})
}

// unzip returns what gzip_packed holds, or b itself when it is something else.
func unzip(b []byte) ([]byte, error) {
	if id, _ := wire.PeekID(b); id != wire.IDGzipPacked {
		return b, nil
	}
	packed, ok := wire.Gzip(b)
	if !ok {
		return nil, wire.ErrPacket
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

var zippers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// zip packs a body as gzip_packed.
func zip(body []byte) []byte {
	var b bytes.Buffer
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(&b)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return wire.AppendGzip(nil, b.Bytes())
}
