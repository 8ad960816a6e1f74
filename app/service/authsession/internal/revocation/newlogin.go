package revocation

import (
	"context"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/internal/protofield"
)

// Fields of mtproto.Updates and mtproto.Update, the same in every wire release
// from 0.216.0 on. Releases before number those of updateNewAuthorization one
// lower: their nodes would make another update of it.
const (
	fieldDate   protowire.Number = 12 // of updateShort
	fieldUpdate protowire.Number = 20

	fieldUnconfirmed protowire.Number = 19 // of updateNewAuthorization
	fieldHash        protowire.Number = 20
	fieldSignedIn    protowire.Number = 21 // a wrapped int32
	fieldDevice      protowire.Number = 22 // a wrapped string
	fieldLocation    protowire.Number = 23 // a wrapped string

	fieldWrapped protowire.Number = 1
)

// NewLogin is a login that has begun, as other devices of its user hear of it.
type NewLogin struct {
	Hash int64
	// Unconfirmed: the user is to be asked; else whoever asks them stops. What
	// follows is told of an unconfirmed one alone.
	Unconfirmed bool
	SignedIn    int64 // Unix seconds
	Device      string
	Location    string
}

// TellOthers tells the devices on perm keys of a login of their user, as Tell
// does of those that have ended. A client whose layer does not have the update
// (updateNewAuthorization, from layer 163 on) gets nothing: its node leaves out
// what is not counted.
func (n *Notifier) TellOthers(ctx context.Context, perms []int64, l NewLogin, now int64) {
	if len(perms) == 0 {
		return
	}
	list := make([]notice, len(perms))
	updates := newAuthorization(l, now)
	for i, perm := range perms {
		list[i] = notice{perm: perm, updates: updates}
	}
	n.deliver(ctx, begunLogins, list)
}

// newAuthorization is an updateShort, which no state of updates counts, at the
// given time.
func newAuthorization(l NewLogin, now int64) []byte {
	u := protofield.String(nil, fieldPredicate, "updateNewAuthorization")
	if l.Unconfirmed {
		u = protofield.Int(u, fieldUnconfirmed, 1)
	}
	u = protofield.Int(u, fieldHash, l.Hash)
	if l.Unconfirmed {
		u = protofield.Message(u, fieldSignedIn, protofield.Int(nil, fieldWrapped, l.SignedIn))
		u = protofield.Message(u, fieldDevice, protofield.String(nil, fieldWrapped, l.Device))
		u = protofield.Message(u, fieldLocation, protofield.String(nil, fieldWrapped, l.Location))
	}
	b := protofield.String(nil, fieldPredicate, "updateShort")
	b = protofield.Int(b, fieldDate, now)
	return protofield.Message(b, fieldUpdate, u)
}
