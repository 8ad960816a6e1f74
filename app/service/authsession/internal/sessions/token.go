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
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenBytes), uint64(after.SignedIn))
	b = binary.BigEndian.AppendUint64(b, uint64(after.ID))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, f.mark()))
}

// position is what token gave a token for; the top of the list for no token.
func (f Filter) position(token string) (dao.Position, error) {
	if token == "" {
		return dao.Top, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != tokenBytes || binary.BigEndian.Uint32(b[16:]) != f.mark() {
		return dao.Position{}, ErrBadToken
	}
	p := dao.Position{SignedIn: int64(binary.BigEndian.Uint64(b)), ID: int64(binary.BigEndian.Uint64(b[8:]))}
	if p.SignedIn < 0 || p.ID == 0 {
		return dao.Position{}, ErrBadToken
	}
	return p, nil
}

// mark tells filters apart, so that a token is not used with another by
// mistake.
func (f Filter) mark() uint32 {
	active := "both"
	if f.Active != nil {
		active = fmt.Sprint(*f.Active)
	}
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %d %s %q", f.UserID, f.APIID, active, f.DeviceType)
	return h.Sum32()
}
