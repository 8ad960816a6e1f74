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
	b := text(nil, fieldPredicate, "updateAccountResetAuthorization")
	b = number(b, fieldUserID, userID)
	return number(b, fieldAuthKeyID, permAuthKeyID)
}

func text(b []byte, field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func number(b []byte, field protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(value)) //nolint:gosec // as protobuf writes it
}

func wrapped(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}
