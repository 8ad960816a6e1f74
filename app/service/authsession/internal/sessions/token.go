package sessions

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// A page token is a position in the list of one filter, that of the last session
// of the page before, and a mark of the filter.
const tokenBytes = 8 + 8 + 4

// token is empty at the end of the list.
func (f Filter) token(after *dao.Position) string {
	if after == nil {
		return ""
	}
	return seal(after.SignedIn, after.ID, f.mark(BySignIn))
}

// position is what token gave a token for; the top of the list for no token.
func (f Filter) position(token string) (dao.Position, error) {
	if token == "" {
		return dao.Top, nil
	}
	signedIn, id, ok := unseal(token, f.mark(BySignIn))
	if !ok || signedIn < 0 || id == 0 {
		return dao.Position{}, ErrBadToken
	}
	return dao.Position{SignedIn: signedIn, ID: id}, nil
}

// seal makes a token of a position and a mark of the list that it is of.
func seal(first, second int64, mark uint32) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenBytes), uint64(first))
	b = binary.BigEndian.AppendUint64(b, uint64(second))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, mark))
}

// unseal is what seal made a token of; not ok: of another list, or none at all.
func unseal(token string, mark uint32) (first, second int64, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != tokenBytes || binary.BigEndian.Uint32(b[16:]) != mark {
		return 0, 0, false
	}
	return int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:])), true
}

// mark tells filters and orders apart, so that a token is not used with another by
// mistake.
func (f Filter) mark(order Sort) uint32 {
	active := "both"
	if f.Active != nil {
		active = fmt.Sprint(*f.Active)
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %d %s %q", f.UserID, f.APIID, active, f.DeviceType)
	if !f.Match.Empty() {
		fmt.Fprintf(h, " %v", f.Match.stored())
	}
	if order != BySignIn {
		fmt.Fprintf(h, " by %s", order)
	}
	return h.Sum32()
}
