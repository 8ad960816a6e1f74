package conformance

import (
	"fmt"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// Constructors and methods that gotd lacks.
const (
	destroyAuthKey   = 0xd1435160
	destroyAuthKeyOK = 0xf660e1d4
)

var names = map[uint32]string{
	mt.BadMsgNotificationTypeID:      "bad_msg_notification",
	mt.BadServerSaltTypeID:           "bad_server_salt",
	mt.DestroySessionNoneTypeID:      "destroy_session_none",
	mt.DestroySessionOkTypeID:        "destroy_session_ok",
	mt.FutureSaltsTypeID:             "future_salts",
	mt.MsgDetailedInfoTypeID:         "msg_detailed_info",
	mt.MsgNewDetailedInfoTypeID:      "msg_new_detailed_info",
	mt.MsgsAckTypeID:                 "msgs_ack",
	mt.MsgsAllInfoTypeID:             "msgs_all_info",
	mt.MsgsStateInfoTypeID:           "msgs_state_info",
	mt.NewSessionCreatedTypeID:       "new_session_created",
	mt.PongTypeID:                    "pong",
	mt.RPCAnswerDroppedRunningTypeID: "rpc_answer_dropped_running",
	mt.RPCAnswerDroppedTypeID:        "rpc_answer_dropped",
	mt.RPCAnswerUnknownTypeID:        "rpc_answer_unknown",
	mt.RPCErrorTypeID:                "rpc_error",
	mt.RPCResultTypeID:               "rpc_result",
	tg.BoolFalseTypeID:               "boolFalse",
	tg.BoolTrueTypeID:                "boolTrue",
	destroyAuthKeyOK:                 "destroy_auth_key_ok",
}

func name(id uint32) string {
	if n := names[id]; n != "" {
		return n
	}
	if n := tg.TypesMap()[id]; n != "" {
		return n
	}
	return fmt.Sprintf("constructor %08x", id)
}

// describe says in a few words what the server sent.
func describe(m wire.Message) string {
	switch m.Type() {
	case mt.BadMsgNotificationTypeID:
		var n mt.BadMsgNotification
		if decode(m.Body, &n) == nil {
			return fmt.Sprintf("bad_msg_notification %d", n.ErrorCode)
		}
	case mt.RPCResultTypeID:
		if len(m.Body) < 16 {
			break
		}
		body, _, err := wire.Inflate(m.Body[12:])
		if err != nil {
			break
		}
		if e, ok := asError(body); ok {
			return fmt.Sprintf("rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
		}
		return "rpc_result of " + name(wire.Message{Body: body}.Type())
	}
	return name(m.Type())
}

func hex(token uint32) string { return fmt.Sprintf("%08x", token) }
