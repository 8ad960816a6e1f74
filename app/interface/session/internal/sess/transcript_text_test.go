package sess

import (
	"fmt"
	"strings"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// objectText prints what a server says.
func (d *dialogue) objectText(body []byte) string {
	r := wire.NewReader(body)
	switch id := r.ID(); id {
	case wire.IDNewSessionCreated:
		first, unique, salt := r.Long(), r.Long(), r.Long()
		if d.lives[unique] == "" {
			d.lives[unique] = fmt.Sprintf("life%d", len(d.lives)+1)
		}
		return fmt.Sprintf("new_session_created(first %s, %s, salt %d)", d.of(first), d.lives[unique], salt)
	case wire.IDPong:
		return fmt.Sprintf("pong(%s, %d)", d.of(r.Long()), r.Long())
	case wire.IDMsgsAck:
		ids := r.Longs()
		var names []string
		for i := range ids.Len() {
			names = append(names, d.of(ids.At(i)))
		}
		return fmt.Sprintf("msgs_ack(%s)", strings.Join(names, " "))
	case wire.IDBadMsgNotification:
		return fmt.Sprintf("bad_msg_notification(%s/%d, %d)", d.of(r.Long()), r.Int(), r.Int())
	case wire.IDBadServerSalt:
		return fmt.Sprintf("bad_server_salt(%s/%d, %d, salt %d)", d.of(r.Long()), r.Int(), r.Int(), r.Long())
	case wire.IDMsgsStateInfo:
		return fmt.Sprintf("msgs_state_info(%s, %v)", d.of(r.Long()), r.Bytes())
	case wire.IDMsgDetailedInfo:
		return fmt.Sprintf("msg_detailed_info(%s, answer %s, %d bytes, %d)", d.of(r.Long()), d.of(r.Long()), r.Int(), r.Int())
	case wire.IDMsgNewDetailedInfo:
		return fmt.Sprintf("msg_new_detailed_info(%s, %d bytes, %d)", d.of(r.Long()), r.Int(), r.Int())
	case wire.IDFutureSalts:
		return d.saltsText(&r)
	case wire.IDDestroySessionOK:
		return fmt.Sprintf("destroy_session_ok(%d)", r.Long())
	case wire.IDDestroySessionNone:
		return fmt.Sprintf("destroy_session_none(%d)", r.Long())
	case wire.IDRPCResult:
		req := d.of(r.Long())
		return fmt.Sprintf("rpc_result(%s, %s)", req, d.objectText(r.Rest()))
	case wire.IDRPCError:
		return fmt.Sprintf("rpc_error %d %s", r.Int(), r.Bytes())
	case wire.IDRPCAnswerUnknown:
		return "rpc_answer_unknown"
	case wire.IDRPCAnswerDroppedRunning:
		return "rpc_answer_dropped_running"
	case wire.IDRPCAnswerDropped:
		return fmt.Sprintf("rpc_answer_dropped(%s/%d, %d bytes)", d.of(r.Long()), r.Int(), r.Int())
	case wire.IDGzipPacked:
		inner, err := d.x.w.inflate(body, &incoming{budget: 1 << 20})
		if err != nil {
			return "gzip_packed(corrupt)"
		}
		return fmt.Sprintf("gzip_packed(%s)", d.objectText(inner))
	case wire.IDTrue:
		return "boolTrue"
	case wire.IDDestroyAuthKeyOK:
		return "destroy_auth_key_ok"
	case wire.IDDestroyAuthKeyNone:
		return "destroy_auth_key_none"
	case wire.IDDestroyAuthKeyFail:
		return "destroy_auth_key_fail"
	case wire.IDUpdatesTooLong:
		return "updatesTooLong"
	case idUpdateShort:
		switch update := r.ID(); update {
		case 0xe5bdf8de:
			r.Long()
			return fmt.Sprintf("updateShort(updateUserStatus %08x)", r.ID())
		case 0x05492a13:
			r.Long()
			return fmt.Sprintf("updateShort(updateUserPhone of %d)", len(r.Bytes()))
		}
		return fmt.Sprintf("updateShort(%d)", r.Int())
	default:
		switch id {
		case 0x8e1a1775:
			return "nearestDc"
		case 0xa99fca4f:
			return fmt.Sprintf("upload.cdnFile of %d", len(r.Bytes()))
		case 0xa56c2a3e:
			return "updates.state"
		case 0x2ea2c0d4:
			r.ID() // flags
			return fmt.Sprintf("auth.authorization(user %08x)", r.ID())
		}
		return fmt.Sprintf("%08x", id)
	}
}

// side is what the id of a message has to say of it: whether it answers one of
// the client's (rule MSGID-2).
func side(constructor uint32) int64 {
	switch constructor {
	case wire.IDNewSessionCreated, wire.IDMsgsAck, wire.IDMsgDetailedInfo, wire.IDMsgNewDetailedInfo,
		wire.IDUpdatesTooLong, wire.IDGzipPacked, idUpdateShort, wire.IDMsgContainer:
		return idNotice
	}
	return idAnswer
}

// saltsText prints future_salts: each salt, by the minutes it is good for.
func (d *dialogue) saltsText(r *wire.Reader) string {
	req, now, n := r.Long(), r.Int(), r.Int()
	var salts []string
	for range n {
		since, until, salt := r.Int(), r.Int(), r.Long()
		salts = append(salts, fmt.Sprintf("%d from %+dm to %+dm", salt, (since-now)/60, (until-now)/60))
	}
	if n > 8 {
		salts = append(salts[:1], fmt.Sprintf("... %d more", n-1))
	}
	return fmt.Sprintf("future_salts(%s, %s)", d.of(req), strings.Join(salts, ", "))
}
