package sess

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

// field returns a message field of an encoded message, found by name; nil when
// it is not there. Of several the last counts.
func field(schema *tl.Schema, message, name string, pb []byte) (v []byte) {
	eachField(schema, message, name, pb, func(t protowire.Type, b []byte) {
		if t == protowire.BytesType {
			v, _ = protowire.ConsumeBytes(b)
		}
	})
	return v
}

// number returns an integer field of an encoded message, found by name.
func number(schema *tl.Schema, message, name string, pb []byte) (v int64) {
	eachField(schema, message, name, pb, func(t protowire.Type, b []byte) {
		if t == protowire.VarintType {
			n, _ := protowire.ConsumeVarint(b)
			v = int64(n)
		}
	})
	return v
}

func eachField(schema *tl.Schema, message, name string, pb []byte, yield func(protowire.Type, []byte)) {
	want, ok := schema.FieldNumber(message, name)
	if !ok {
		return
	}
	for len(pb) > 0 {
		num, t, n := protowire.ConsumeTag(pb)
		if n < 0 {
			return
		}
		pb = pb[n:]
		size := protowire.ConsumeFieldValue(num, t, pb)
		if size < 0 {
			return
		}
		if int(num) == want {
			yield(t, pb[:size])
		}
		pb = pb[size:]
	}
}
