package revocation

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/protofield"
)

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
	b := protofield.String(nil, fieldPredicate, "updateAccountResetAuthorization")
	b = protofield.Int(b, fieldUserID, userID)
	return protofield.Int(b, fieldAuthKeyID, permAuthKeyID)
}
