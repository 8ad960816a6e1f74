package rpcerr

import (
	"cmp"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/oidclogin"
)

// What callers of the admin API are answered that may not call, or not now.
var (
	ErrNoTokensHere       = &Error{codes.Unauthenticated, "no bearer tokens are taken here", string(token.ErrAlgorithm)}
	ErrTokenNotAlone      = &Error{codes.Unauthenticated, "authorization must be one bearer token", string(token.ErrMalformed)}
	ErrTokenMissing       = &Error{codes.Unauthenticated, "a bearer token is needed", string(token.ErrMissing)}
	ErrTokenMalformed     = &Error{codes.Unauthenticated, "the token cannot be read", string(token.ErrMalformed)}
	ErrTokenAlgorithm     = &Error{codes.Unauthenticated, "the token is signed in a way that is not taken here", string(token.ErrAlgorithm)}
	ErrTokenSignature     = &Error{codes.Unauthenticated, "the token's signature is wrong", string(token.ErrSignature)}
	ErrTokenExpired       = &Error{codes.Unauthenticated, "the token has expired", string(token.ErrExpired)}
	ErrTokenNoExpiry      = &Error{codes.Unauthenticated, "the token has no exp", string(token.ErrNoExpiry)}
	ErrTokenNotYetValid   = &Error{codes.Unauthenticated, "the token is not valid yet", string(token.ErrNotYetValid)}
	ErrTokenIssuer        = &Error{codes.Unauthenticated, "the token is of another issuer", string(token.ErrIssuer)}
	ErrTokenAudience      = &Error{codes.Unauthenticated, "the token is for another audience", string(token.ErrAudience)}
	ErrTokenSubject       = &Error{codes.Unauthenticated, "the token has no usable sub", string(token.ErrSubject)}
	ErrTokenKeyUnknown    = &Error{codes.Unauthenticated, "the token names a key that is not known here", string(token.ErrKeyUnknown)}
	ErrTokenTooLong       = &Error{codes.Unauthenticated, "the token was made for longer than Admin.Tokens.MaxLife", string(token.ErrTooLong)}
	ErrTokenDenied        = &Error{codes.Unauthenticated, "the token has been denied", string(token.ErrDenied)}
	ErrCertificateNeeded  = &Error{codes.Unauthenticated, "a client certificate is needed", "no_credentials"}
	ErrCertificateBad     = &Error{codes.Unauthenticated, "the client certificate is not one that Admin.TLS.ClientCAFile signed", "certificate"}
	ErrCertificateUnknown = &Error{codes.Unauthenticated, "Admin.TLS.Clients does not name this certificate", "client_unknown"}
	ErrScopeMissing       = &Error{codes.PermissionDenied, "the scope %s is needed", "scope"}
	ErrTooManyCalls       = &Error{codes.ResourceExhausted, "too many calls; try again in %v", "rate"}
	ErrTooManyExports     = &Error{codes.ResourceExhausted, "other exports are under way; try again when they have ended", "rate"}
	ErrAuditUnwritable    = &Error{codes.Unavailable, "the audit log cannot be written; nothing was done", "audit"}
	ErrKeysUnwritable     = &Error{codes.Unavailable, "idempotency keys cannot be written; nothing was done", "audit"}
	ErrKeyMalformed       = &Error{codes.InvalidArgument, "Idempotency-Key: must be one of 1 to 128 printable ASCII characters", "key"}
	ErrKeyReused          = &Error{codes.AlreadyExists, "Idempotency-Key: it was used for another request; nothing was done", "key_reused"}
	ErrKeyUnderWay        = &Error{codes.Aborted, "Idempotency-Key: the call that came with it first is under way", "key_under_way"}
)

// What people are answered whom the console does not let in.
var (
	ErrSignInRequest     = &Error{codes.Unauthenticated, "this is no answer to a sign-in", string(oidclogin.ErrBadRequest)}
	ErrSignInCode        = &Error{codes.Unauthenticated, "the issuer does not take this sign-in; begin again", string(oidclogin.ErrBadCode)}
	ErrSignInIDToken     = &Error{codes.Unauthenticated, "the issuer's ID token is not good here", string(oidclogin.ErrBadIDToken)}
	ErrSignInName        = &Error{codes.Unauthenticated, "the issuer does not say who you are, or has not verified your e-mail address", string(oidclogin.ErrNoName)}
	ErrSignInGrant       = &Error{codes.Unauthenticated, "none of your roles may do anything here", string(oidclogin.ErrNoGrant)}
	ErrIssuerUnavailable = &Error{codes.Unavailable, "the issuer cannot be used now; the log says why", ""}
)

// What callers of the admin API are answered whose call was looked at.
var (
	ErrFieldInvalid      = &Error{codes.InvalidArgument, "%s: %s", ""}
	ErrNoSuchSession     = &Error{codes.NotFound, "there is no such session", ""}
	ErrNoSuchRow         = &Error{codes.NotFound, "there is no such row", ""}
	ErrNoSuchWebhook     = &Error{codes.NotFound, "there is no webhook %q on this node", ""}
	ErrNoSuchPath        = &Error{codes.NotFound, "there is no such path", ""}
	ErrNoSuchMethod      = &Error{codes.Unimplemented, "there is no such method", ""}
	ErrOtherVerb         = &Error{codes.Unimplemented, "use %s here", ""}
	ErrTooManySessions   = &Error{codes.FailedPrecondition, "%d sessions would end, more than at_most, which is %d; none was ended", ""}
	ErrCleanUpUnderWay   = &Error{codes.Aborted, "another clean-up is under way; try again when it has ended", ""}
	ErrTookTooLong       = &Error{codes.DeadlineExceeded, "it took longer than Admin.Timeout", ""}
	ErrCallerGone        = &Error{codes.Canceled, "the caller went away", ""}
	ErrOutcomeUnknown    = &Error{codes.Unavailable, "%s", ""}
	ErrStoreUnavailable  = &Error{codes.Unavailable, "the store cannot be used now; the log says why", ""}
	ErrFaultHere         = &Error{codes.Internal, "something is wrong here; the log says what", ""}
	ErrAnswerUnwritable  = &Error{codes.Internal, "the answer cannot be written as JSON", ""}
	ErrHashesNameNothing = &Error{codes.NotFound, "%d of the hashes name no session", ""} // authsession ctl
)

var tokens = map[token.RefusalError]*Error{
	token.ErrMissing: ErrTokenMissing, token.ErrMalformed: ErrTokenMalformed, token.ErrAlgorithm: ErrTokenAlgorithm,
	token.ErrSignature: ErrTokenSignature, token.ErrExpired: ErrTokenExpired, token.ErrNoExpiry: ErrTokenNoExpiry,
	token.ErrNotYetValid: ErrTokenNotYetValid, token.ErrIssuer: ErrTokenIssuer, token.ErrAudience: ErrTokenAudience,
	token.ErrSubject: ErrTokenSubject, token.ErrKeyUnknown: ErrTokenKeyUnknown, token.ErrTooLong: ErrTokenTooLong, token.ErrDenied: ErrTokenDenied,
}

var signIns = map[oidclogin.RefusalError]*Error{
	oidclogin.ErrBadRequest: ErrSignInRequest, oidclogin.ErrBadCode: ErrSignInCode, oidclogin.ErrBadIDToken: ErrSignInIDToken,
	oidclogin.ErrNoName: ErrSignInName, oidclogin.ErrNoGrant: ErrSignInGrant,
}

// Token is the answer to a caller whose token is refused.
func Token(why token.RefusalError) *Error { return cmp.Or(tokens[why], ErrTokenMalformed) }

// SignIn is the answer to a person whose sign-in is refused.
func SignIn(why oidclogin.RefusalError) *Error { return cmp.Or(signIns[why], ErrSignInRequest) }

// Answer is how a code of gRPC is called in REST and in the audit log.
type Answer struct {
	Name string
	HTTP int
}

var answers = map[codes.Code]Answer{
	codes.OK:                 {"OK", http.StatusOK},
	codes.InvalidArgument:    {"INVALID_ARGUMENT", http.StatusBadRequest},
	codes.Unauthenticated:    {"UNAUTHENTICATED", http.StatusUnauthorized},
	codes.PermissionDenied:   {"PERMISSION_DENIED", http.StatusForbidden},
	codes.NotFound:           {"NOT_FOUND", http.StatusNotFound},
	codes.Unimplemented:      {"METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed},
	codes.Aborted:            {"ABORTED", http.StatusConflict},
	codes.AlreadyExists:      {"ALREADY_EXISTS", http.StatusUnprocessableEntity},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", http.StatusPreconditionFailed},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", http.StatusTooManyRequests},
	codes.Canceled:           {"CANCELLED", 499},
	codes.Internal:           {"INTERNAL", http.StatusInternalServerError},
	codes.Unavailable:        {"UNAVAILABLE", http.StatusServiceUnavailable},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
}

// AnswerOf is how REST answers with err, or with nil.
func AnswerOf(err error) Answer { return AnswerTo(status.Code(err)) }

// AnswerTo is the Answer of a code; one that the admin API never makes is INTERNAL.
func AnswerTo(code codes.Code) Answer {
	if a, ok := answers[code]; ok {
		return a
	}
	return answers[codes.Internal]
}
