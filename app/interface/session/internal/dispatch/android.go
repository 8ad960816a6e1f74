package dispatch

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

// Official Android clients of these layers send three methods in their old
// version and read the answer of the new one (PEERS.md, "Rewrites").
const (
	rewriteClient = "android"
	rewriteLayer  = 177
)

var rewrites = []struct {
	from, to uint32
	fields   []string
}{
	{0xf24753e3, 0xcbc6d107, []string{"chat_id", "user_id", "fwd_limit"}}, // messages.addChatUser
	{0x0034a818, 0x92ceddd4, []string{"users", "title", "ttl_period"}},    // messages.createChat
	{0x199f3a6c, 0xc9e33d54, []string{"channel", "users"}},                // channels.inviteToChannel
}

// rewrite is a request's way from one version of a method to another.
type rewrite struct {
	to     *tl.Method
	fields map[protowire.Number]protowire.Number
}

// newRewrites resolves the table's names; versions a schema does not have are
// left out.
func newRewrites(s *tl.Schema) map[*tl.Method]*rewrite {
	out := map[*tl.Method]*rewrite{}
	for _, r := range rewrites {
		from, to := s.Method(r.from), s.Method(r.to)
		if from == nil || to == nil {
			continue
		}
		rw := &rewrite{to, map[protowire.Number]protowire.Number{}}
		for _, name := range r.fields {
			a, okA := s.FieldNumber(from.Request.Name(), name)
			b, okB := s.FieldNumber(to.Request.Name(), name)
			if okA && okB {
				rw.fields[protowire.Number(a)] = protowire.Number(b)
			}
		}
		out[from] = rw
	}
	return out
}

// apply renumbers the fields of a request and names the new version.
func (r *rewrite) apply(pb []byte) []byte {
	out := appendConstructor(make([]byte, 0, len(pb)+8), r.to.ID)
	for len(pb) > 0 {
		number, kind, n := protowire.ConsumeTag(pb)
		if n < 0 {
			return out
		}
		size := protowire.ConsumeFieldValue(number, kind, pb[n:])
		if size < 0 {
			return out
		}
		if to, ok := r.fields[number]; ok {
			out = protowire.AppendTag(out, to, kind)
			out = append(out, pb[n:n+size]...)
		}
		pb = pb[n+size:]
	}
	return out
}

// Numbers that all messages of the proto library share.
const (
	requestConstructor protowire.Number = 1
	unionPredicate     protowire.Number = 1
	unionConstructor   protowire.Number = 2
)

// appendConstructor writes a TL id of a request as the library's enum does: an int32.
func appendConstructor(dst []byte, id uint32) []byte {
	dst = protowire.AppendTag(dst, requestConstructor, protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(int64(int32(id))))
}
