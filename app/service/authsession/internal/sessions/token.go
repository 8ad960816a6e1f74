package sessions

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
)

// A page token is a position in the list of one filter: the id that the next
// page lies before, and a mark of the filter.
const tokenBytes = 8 + 4

func (f Filter) token(before int64) string {
	if before == 0 {
		return ""
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenBytes), uint64(before))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, f.mark()))
}

// position is what token gave a token for; 0 for the first page.
func (f Filter) position(token string) (before int64, err error) {
	if token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != tokenBytes || binary.BigEndian.Uint32(b[8:]) != f.mark() {
		return 0, ErrBadToken
	}
	if before = int64(binary.BigEndian.Uint64(b)); before <= 0 {
		return 0, ErrBadToken
	}
	return before, nil
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
