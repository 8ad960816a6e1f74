package wire

// BadMsg is an error code of bad_msg_notification and bad_server_salt
// (https://core.telegram.org/mtproto/service_messages_about_messages#notice-of-ignored-error-message).
type BadMsg int32

// Error codes of ignored messages.
const (
	BadTooLow      BadMsg = 16 // msg_id too low
	BadTooHigh     BadMsg = 17 // msg_id too high
	BadParity      BadMsg = 18 // msg_id not divisible by four
	BadContainerID BadMsg = 19 // container id equal to that of an earlier message
	BadTooOld      BadMsg = 20 // too old to know whether it was received
	BadSeqnoLow    BadMsg = 32
	BadSeqnoHigh   BadMsg = 33
	BadSeqnoEven   BadMsg = 35 // odd expected
	BadSalt        BadMsg = 48
	BadContainer   BadMsg = 64
)

// AppendBadMsg appends bad_msg_notification.
func AppendBadMsg(dst []byte, id int64, seq int32, code BadMsg) []byte {
	dst = appendID(dst, IDBadMsgNotification)
	dst = appendLong(dst, id)
	dst = appendInt(dst, seq)
	return appendInt(dst, int32(code))
}

// AppendBadSalt appends bad_server_salt.
func AppendBadSalt(dst []byte, id int64, seq int32, salt int64) []byte {
	dst = appendID(dst, IDBadServerSalt)
	dst = appendLong(dst, id)
	dst = appendInt(dst, seq)
	dst = appendInt(dst, int32(BadSalt))
	return appendLong(dst, salt)
}

// AppendNewSession appends new_session_created.
func AppendNewSession(dst []byte, first, unique, salt int64) []byte {
	dst = appendID(dst, IDNewSessionCreated)
	dst = appendLong(dst, first)
	dst = appendLong(dst, unique)
	return appendLong(dst, salt)
}

// AppendPong appends pong.
func AppendPong(dst []byte, id, ping int64) []byte {
	dst = appendID(dst, IDPong)
	dst = appendLong(dst, id)
	return appendLong(dst, ping)
}

// AppendAck appends msgs_ack.
func AppendAck(dst []byte, ids []int64) []byte {
	dst = appendID(dst, IDMsgsAck)
	dst = appendID(dst, IDVector)
	dst = appendInt(dst, int32(len(ids)))
	for _, id := range ids {
		dst = appendLong(dst, id)
	}
	return dst
}

// AppendStateInfo appends msgs_state_info.
func AppendStateInfo(dst []byte, req int64, info []byte) []byte {
	dst = appendID(dst, IDMsgsStateInfo)
	dst = appendLong(dst, req)
	return AppendBytes(dst, info)
}

// AppendDetailedInfo appends msg_detailed_info: the message id is answered by
// answer, which has n bytes. The status is a state byte of id, 4 for one that was
// received: with 0, which the documentation has there, mtcute sends the message again
// as a new one.
func AppendDetailedInfo(dst []byte, id, answer int64, n int, status int32) []byte {
	dst = appendID(dst, IDMsgDetailedInfo)
	dst = appendLong(dst, id)
	dst = appendLong(dst, answer)
	dst = appendInt(dst, int32(n))
	return appendInt(dst, status)
}

// AppendNewDetailedInfo appends msg_new_detailed_info with status 0.
func AppendNewDetailedInfo(dst []byte, answer int64, n int) []byte {
	dst = appendID(dst, IDMsgNewDetailedInfo)
	dst = appendLong(dst, answer)
	dst = appendInt(dst, int32(n))
	return appendInt(dst, 0)
}

// AppendFutureSalts begins future_salts, whose n salts follow (rule SALT-5).
func AppendFutureSalts(dst []byte, req int64, now int32, n int) []byte {
	dst = appendID(dst, IDFutureSalts)
	dst = appendLong(dst, req)
	dst = appendInt(dst, now)
	return appendInt(dst, int32(n))
}

// AppendFutureSalt appends one bare future_salt.
func AppendFutureSalt(dst []byte, since, until int32, salt int64) []byte {
	dst = appendInt(dst, since)
	dst = appendInt(dst, until)
	return appendLong(dst, salt)
}

// AppendDestroySession appends destroy_session_ok or destroy_session_none.
func AppendDestroySession(dst []byte, session int64, ok bool) []byte {
	id := uint32(IDDestroySessionNone)
	if ok {
		id = IDDestroySessionOK
	}
	dst = appendID(dst, id)
	return appendLong(dst, session)
}

// AppendResult begins rpc_result, whose object follows (rule RPC-1).
func AppendResult(dst []byte, req int64) []byte {
	dst = appendID(dst, IDRPCResult)
	return appendLong(dst, req)
}

// AppendBool appends boolTrue or boolFalse.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return appendID(dst, IDTrue)
	}
	return appendID(dst, IDFalse)
}

// AppendConstructor appends an object without fields.
func AppendConstructor(dst []byte, id uint32) []byte { return appendID(dst, id) }

// AppendError appends rpc_error (rule RPC-2).
func AppendError(dst []byte, code int32, message string) []byte {
	dst = appendID(dst, IDRPCError)
	dst = appendInt(dst, code)
	return AppendBytes(dst, message)
}

// AppendAnswerDropped appends rpc_answer_dropped (rule RPC-7).
func AppendAnswerDropped(dst []byte, id int64, seq int32, n int) []byte {
	dst = appendID(dst, IDRPCAnswerDropped)
	dst = appendLong(dst, id)
	dst = appendInt(dst, seq)
	return appendInt(dst, int32(n))
}

// AppendGzip appends gzip_packed around packed data (rule GZIP-1).
func AppendGzip(dst, packed []byte) []byte {
	return AppendBytes(appendID(dst, IDGzipPacked), packed)
}

// Gzip returns the packed data of gzip_packed.
func Gzip(body []byte) ([]byte, bool) {
	r := NewReader(body)
	r.expect(IDGzipPacked)
	b := r.Bytes()
	return b, r.Done()
}

// ResultOf returns req_msg_id of a serialized rpc_result that has an object.
func ResultOf(body []byte) (req int64, ok bool) {
	r := NewReader(body)
	r.expect(IDRPCResult)
	req = r.Long()
	r.ID()
	return req, r.OK() && len(body)%4 == 0
}
