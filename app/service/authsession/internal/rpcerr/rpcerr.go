// Package rpcerr is the catalogue of the errors that authsession makes itself: each with
// its code and text, when it is answered, who sees it, and what they do then. Rows holds
// them all; docs/errors-authsession.md is written from it.
//
// Handlers take their errors from here. A text written in place would be one that
// operators find in no table, and that peers may take for something else: a gateway and a
// session node compare code and text of what they are answered.
package rpcerr

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/allow"
)

// Error is the answer to a call that was not served. Those of this package are shared,
// and must not be changed.
type Error struct {
	Code    codes.Code
	Message string // as fmt.Sprintf takes it, where callers fill in a part by With
	Reason  string // of the admin API alone: the word in the audit log and in the metric of refusals; may be empty
}

func (e *Error) Error() string { return e.Message }

// GRPCStatus is what a caller over gRPC gets.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// With fills in the parts of the message that differ from call to call.
func (e *Error) With(parts ...any) *Error {
	return &Error{e.Code, fmt.Sprintf(e.Message, parts...), e.Reason}
}

// What gateways, session nodes and BFFs are answered, in the codes of rpc_error. Session
// gives a client the answer to its own call (a binding, its list of devices) as it is.
// None of the codes is one of gRPC's own: stock peers throw a node out of their rings
// for 4 and 14.
var (
	ErrKeyUnregistered  = &Error{401, "AUTH_KEY_UNREGISTERED", ""}
	ErrKeyPermEmpty     = &Error{401, "AUTH_KEY_PERM_EMPTY", ""}
	ErrEncryptedMessage = &Error{400, "ENCRYPTED_MESSAGE_INVALID", ""}
	ErrInputInvalid     = &Error{400, "INPUT_REQUEST_INVALID", ""}
	ErrTempKeyEmpty     = &Error{400, "TEMP_AUTH_KEY_EMPTY", ""}
	ErrTempKeyBound     = &Error{400, "TEMP_AUTH_KEY_ALREADY_BOUND", ""}
	ErrExpiresAt        = &Error{400, "EXPIRES_AT_INVALID", ""}
	ErrHashInvalid      = &Error{400, "HASH_INVALID", ""}
	ErrSessionNotFound  = &Error{404, "SESSION_NOT_FOUND", ""}
	ErrInternal         = &Error{500, "INTERNAL_SERVER_ERROR", ""}
	ErrPeerNotAllowed   = &Error{codes.PermissionDenied, allow.NotAllowed, ""} // package allow answers it
)
