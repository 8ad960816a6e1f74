package sess

import (
	"encoding/binary"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// TL of the client's side.

func tlID(id uint32) []byte { return binary.LittleEndian.AppendUint32(nil, id) }

func tlInt(b []byte, v int32) []byte { return binary.LittleEndian.AppendUint32(b, uint32(v)) }

func tlLong(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }

func tlPing(id int64) []byte { return tlLong(tlID(wire.IDPing), id) }

func tlLongs(id uint32, ids ...int64) []byte {
	b := tlInt(append(tlID(id), tlID(wire.IDVector)...), int32(len(ids)))
	for _, v := range ids {
		b = tlLong(b, v)
	}
	return b
}

func tlAck(ids ...int64) []byte { return tlLongs(wire.IDMsgsAck, ids...) }

// method builds a call of a method that has no arguments, or these.
func (x *world) method(name string, args ...any) []byte {
	x.t.Helper()
	versions := x.schema.MethodByName(name)
	require.NotEmpty(x.t, versions, name)
	b := tlID(versions[0].ID)
	for _, a := range args {
		switch a := a.(type) {
		case int32:
			b = tlInt(b, a)
		case int64:
			b = tlLong(b, a)
		case string:
			b = wire.AppendBytes(b, a)
		case bool:
			b = wire.AppendBool(b, a)
		case []byte:
			b = append(b, a...)
		default:
			require.Failf(x.t, "argument", "%T", a)
		}
	}
	return b
}

func tlInit(query []byte) []byte { return tlInitOf("12.1.0", query) }

// tlInitOf is initConnection of an app's version.
func tlInitOf(version string, query []byte) []byte {
	b := tlInt(tlInt(tlID(wire.IDInitConnection), 0), 4)
	for _, s := range []string{"Pixel 9", "SDK 36", version, "en-us", "android", "en"} {
		b = wire.AppendBytes(b, s)
	}
	return append(b, query...)
}

func tlLayer(layer int32, query []byte) []byte {
	return append(tlInt(tlID(wire.IDInvokeWithLayer), layer), query...)
}

func tlAfter(id int64, query []byte) []byte {
	return append(tlLong(tlID(wire.IDInvokeAfterMsg), id), query...)
}

func tlQuiet(query []byte) []byte { return append(tlID(wire.IDInvokeWithoutUpdates), query...) }

// Objects of BFFs.

// nearestDC is nearestDc#8e1a1775 country:string this_dc:int nearest_dc:int.
func nearestDC(country string) []byte {
	return tlInt(tlInt(wire.AppendBytes(tlID(0x8e1a1775), country), 1), 1)
}

// updatesState is updates.state#a56c2a3e pts:int qts:int date:int seq:int unread_count:int.
func updatesState() []byte {
	b := tlID(0xa56c2a3e)
	for range 5 {
		b = tlInt(b, 1)
	}
	return b
}

// pbObject builds an encoded protobuf object from a predicate and fields by name.
func (x *world) pbObject(message, predicate string, fields map[string]any) []byte {
	x.t.Helper()
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), predicate)
	for name, v := range fields {
		n, ok := x.schema.FieldNumber(message, name)
		require.True(x.t, ok, "%s.%s", message, name)
		switch v := v.(type) {
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(n), protowire.VarintType), uint64(v))
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, protowire.Number(n), protowire.BytesType), v)
		}
	}
	return b
}

// authorization is an auth.authorization of a user.
func (x *world) authorization(user int) []byte {
	return x.pbObject("auth_Authorization", "auth_authorization", map[string]any{
		"user": x.pbObject("User", "user", map[string]any{"id": user}),
	})
}

// updates is an update that differs from others by n: updateShort of
// updateConfig, told apart by its date.
func (x *world) updates(n int) []byte {
	return x.pbObject("Updates", "updateShort", map[string]any{
		"update": x.pbObject("Update", "updateConfig", nil), "date": n,
	})
}

// phoneUpdate is an update as large as its phone.
func (x *world) phoneUpdate(phone string) []byte {
	return x.pbObject("Updates", "updateShort", map[string]any{
		"update": x.pbObject("Update", "updateUserPhone", map[string]any{"phone": []byte(phone)}), "date": 1,
	})
}

// statusUpdate looks different in different layers.
func (x *world) statusUpdate() []byte {
	status := x.pbObject("UserStatus", "userStatusRecently", nil)
	return x.pbObject("Updates", "updateShort", map[string]any{
		"update": x.pbObject("Update", "updateUserStatus", map[string]any{"status_USERSTATUS": status}), "date": 1,
	})
}

const idUpdateShort = 0x78d4dec1

// pushed returns the dates of the updates among messages, in order; -1 is
// updatesTooLong.
func pushed(msgs []sent) (dates []int) {
	for _, m := range msgs {
		switch m.constructor {
		case idUpdateShort:
			dates = append(dates, int(int32(binary.LittleEndian.Uint32(m.Body[8:]))))
		case wire.IDUpdatesTooLong:
			dates = append(dates, -1)
		}
	}
	return dates
}

// tlBind is auth.bindTempAuthKey to a perm key.
func tlBind(perm int64) []byte {
	b := tlLong(tlLong(tlID(wire.IDBindTempAuthKey), perm), 7)
	return wire.AppendBytes(tlInt(b, int32(epoch/1e9)+86400), make([]byte, 104))
}

// wireVector is an empty vector.
func wireVector() []byte { return tlInt(tlID(wire.IDVector), 0) }

// tlDevice is account.registerDevice.
func tlDevice(kind int32, token string) []byte {
	b := wire.AppendBytes(tlInt(tlInt(tlID(wire.IDRegisterDevice), 0), kind), token)
	return append(wire.AppendBytes(wire.AppendBool(b, false), ""), wireVector()...)
}
