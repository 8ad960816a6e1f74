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
func (e *Error) Status() error { return status.Error(codes.Code(uint32(e.Code)), e.Message) } //nolint:gosec // those for peers are positive

// What clients are told, as rpc_error.
var (
	InputFetch       = &Error{400, "INPUT_FETCH_ERROR"}
	InputConstructor = &Error{400, "INPUT_CONSTRUCTOR_INVALID"}
	InputMethod      = &Error{400, "INPUT_METHOD_INVALID"}
	InputTooLong     = &Error{400, "INPUT_REQUEST_TOO_LONG"}
	LayerInvalid     = &Error{400, "CONNECTION_LAYER_INVALID"}
	MethodNotImpl    = &Error{400, "METHOD_NOT_IMPL"}
	MsgWaitTimeout   = &Error{400, "MSG_WAIT_TIMEOUT"}
	MsgWaitFailed    = &Error{500, "MSG_WAIT_FAILED"}
	TakeoutQuery     = &Error{400, "TAKEOUT_QUERY_INVALID"}
	TakeoutRequired  = &Error{403, "TAKEOUT_REQUIRED"}
	KeyUnregistered  = &Error{401, "AUTH_KEY_UNREGISTERED"}
	PermEmpty        = &Error{401, "AUTH_KEY_PERM_EMPTY"}
	PasswordNeeded   = &Error{401, "SESSION_PASSWORD_NEEDED"}
	SessionGone      = &Error{400, "SESSION_GONE"}
	Flood            = &Error{420, "FLOOD_WAIT_1"}
	FloodNode        = &Error{420, "FLOOD_WAIT_3"}
	AnswerForgotten  = &Error{500, "ANSWER_FORGOTTEN"}
	ResponseTooLong  = &Error{500, "RESPONSE_TOO_LONG"}
	CallFailed       = &Error{500, "RPC_CALL_FAIL"}
	Internal         = &Error{500, "INTERNAL_SERVER_ERROR"}
	Timeout          = &Error{-503, "Timeout"}
)

// What gateways, sync and BFFs are told, as statuses of gRPC. Stock gateways and sync
// throw a node out of their rings for 4 and 14, their breakers count 8, 12 and 13, and 2
// tells them nothing: none of these is ever answered.
var (
	ChannelFull  = &Error{420, "SESSION_DATA_CHANNEL_FULL"}
	Overloaded   = &Error{420, "SESSION_OVERLOADED"}
	InputInvalid = &Error{400, "INPUT_REQUEST_INVALID"}
	Unregistered = KeyUnregistered
	NodeStranger = &Error{403, "NOT_A_SESSION_NODE"}
	KeyStays     = &Error{409, "KEY_HAS_NOT_MOVED"}
	NotAllowed   = &Error{int32(codes.PermissionDenied), allow.NotAllowed} // package allow answers it
)

// CodeRedirect is the status that names the owner of a key, after RedirectPrefix.
const (
	CodeRedirect   codes.Code = 700
	RedirectPrefix            = "REDIRECT_TO_"
)
