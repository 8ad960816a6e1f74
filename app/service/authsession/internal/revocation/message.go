package revocation

import "google.golang.org/protobuf/encoding/protowire"

// Fields of mtproto.Updates, the same in every wire release we serve. Here as
// in session the message itself is bytes.
const (
	fieldPredicate protowire.Number = 1
	fieldUserID    protowire.Number = 8
	fieldAuthKeyID protowire.Number = 27
)

// accountReset is the pseudo update by which a session node learns that a
// key's login has ended (PEERS.md, "Pushes"). Clients never see it.
func accountReset(userID, permAuthKeyID int64) []byte {
	b := protowire.AppendTag(nil, fieldPredicate, protowire.BytesType)
	b = protowire.AppendString(b, "updateAccountResetAuthorization")
	for _, f := range []struct {
		number protowire.Number
		value  int64
	}{{fieldUserID, userID}, {fieldAuthKeyID, permAuthKeyID}} {
		b = protowire.AppendTag(b, f.number, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(f.value))
	}
	return b
}
