package sim

import (
	"github.com/tgsession/tgsession/proto/authsession"
)

// touch tells which of the perm keys that are in use nobody is logged in on.
func (a *storage) touch(in *authsession.TouchSessionsRequest) *authsession.TouchSessionsReply {
	out := &authsession.TouchSessionsReply{}
	for _, t := range in.GetTouches() {
		if a.logins[t.GetAuthKeyId()] == nil {
			a.c.note("auth", "tells of an ended login", t.GetAuthKeyId())
			out.RevokedAuthKeyIds = append(out.RevokedAuthKeyIds, t.GetAuthKeyId())
		}
	}
	return out
}
