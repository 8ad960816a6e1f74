// Package rpcerr is the catalogue of the errors that session makes itself: each with its
// code and text, when it is answered, who sees it, and what they do then. Rows holds them
// all; docs/errors.md is written from it. Errors of BFFs and of authsession pass through
// session as they are, and are not here.
//
// Whoever answers an error takes it from here. A text written in place would be one that
// operators find in no table, and that clients may take for something else.
package rpcerr

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/allow"
)

// Error is an rpc_error (core.telegram.org/mtproto/service_messages#rpc-error), or what a
// peer is told in the same terms. Those of this package are shared, and must not be
// changed.
type Error struct {
	Code    int32
	Message string // capitals, digits and underscores; Timeout is the only other one
}

func (e *Error) Error() string { return e.Message }

// Status is the error for a caller over gRPC.
func (e *Error) Status() error { return status.Error(codes.Code(uint32(e.Code)), e.Message) }

// What clients are told, as rpc_error. Rows says when.
var (
	ErrInputFetch       = &Error{400, "INPUT_FETCH_ERROR"}
	ErrInputConstructor = &Error{400, "INPUT_CONSTRUCTOR_INVALID"}
	ErrInputMethod      = &Error{400, "INPUT_METHOD_INVALID"}
	ErrInputTooLong     = &Error{400, "INPUT_REQUEST_TOO_LONG"}
	ErrLayerInvalid     = &Error{400, "CONNECTION_LAYER_INVALID"}
	ErrMethodNotImpl    = &Error{400, "METHOD_NOT_IMPL"}
	ErrMsgWaitTimeout   = &Error{400, "MSG_WAIT_TIMEOUT"}
	ErrMsgWaitFailed    = &Error{500, "MSG_WAIT_FAILED"}
	ErrTakeoutQuery     = &Error{400, "TAKEOUT_QUERY_INVALID"}
	ErrTakeoutRequired  = &Error{403, "TAKEOUT_REQUIRED"}
	ErrKeyUnregistered  = &Error{401, "AUTH_KEY_UNREGISTERED"}
	ErrPermEmpty        = &Error{401, "AUTH_KEY_PERM_EMPTY"}
	ErrPasswordNeeded   = &Error{401, "SESSION_PASSWORD_NEEDED"}
	ErrSessionGone      = &Error{400, "SESSION_GONE"}
	ErrFlood            = &Error{420, "FLOOD_WAIT_1"}
	ErrFloodNode        = &Error{420, "FLOOD_WAIT_3"}
	ErrAnswerForgotten  = &Error{500, "ANSWER_FORGOTTEN"}
	ErrResponseTooLong  = &Error{500, "RESPONSE_TOO_LONG"}
	ErrCallFailed       = &Error{500, "RPC_CALL_FAIL"}
	ErrInternal         = &Error{500, "INTERNAL_SERVER_ERROR"}
	ErrTimeout          = &Error{-503, "Timeout"}
)

// What gateways, sync and BFFs are told, as statuses of gRPC. Stock gateways and sync
// throw a node out of their rings for 4 and 14, their breakers count 8, 12 and 13, and 2
// tells them nothing: none of these is ever answered. Rows says when the others are.
var (
	ErrChannelFull  = &Error{420, "SESSION_DATA_CHANNEL_FULL"}
	ErrOverloaded   = &Error{420, "SESSION_OVERLOADED"}
	ErrInputInvalid = &Error{400, "INPUT_REQUEST_INVALID"}
	ErrUnregistered = ErrKeyUnregistered
	ErrNodeStranger = &Error{403, "NOT_A_SESSION_NODE"}
	ErrKeyStays     = &Error{409, "KEY_HAS_NOT_MOVED"}
	ErrNotAllowed   = &Error{int32(codes.PermissionDenied), allow.NotAllowed} // package allow answers it
)

// CodeRedirect is the status that names the owner of a key, after RedirectPrefix.
const (
	CodeRedirect   codes.Code = 700
	RedirectPrefix            = "REDIRECT_TO_"
)
