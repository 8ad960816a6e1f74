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
	NoTokensHere       = &Error{codes.Unauthenticated, "no bearer tokens are taken here", string(token.Algorithm)}
	TokenNotAlone      = &Error{codes.Unauthenticated, "authorization must be one bearer token", string(token.Malformed)}
	TokenMissing       = &Error{codes.Unauthenticated, "a bearer token is needed", string(token.Missing)}
	TokenMalformed     = &Error{codes.Unauthenticated, "the token cannot be read", string(token.Malformed)}
	TokenAlgorithm     = &Error{codes.Unauthenticated, "the token is signed in a way that is not taken here", string(token.Algorithm)}
	TokenSignature     = &Error{codes.Unauthenticated, "the token's signature is wrong", string(token.Signature)}
	TokenExpired       = &Error{codes.Unauthenticated, "the token has expired", string(token.Expired)}
	TokenNoExpiry      = &Error{codes.Unauthenticated, "the token has no exp", string(token.NoExpiry)}
	TokenNotYetValid   = &Error{codes.Unauthenticated, "the token is not valid yet", string(token.NotYetValid)}
	TokenIssuer        = &Error{codes.Unauthenticated, "the token is of another issuer", string(token.Issuer)}
	TokenAudience      = &Error{codes.Unauthenticated, "the token is for another audience", string(token.Audience)}
	TokenSubject       = &Error{codes.Unauthenticated, "the token has no usable sub", string(token.Subject)}
	TokenKeyUnknown    = &Error{codes.Unauthenticated, "the token names a key that is not known here", string(token.KeyUnknown)}
	TokenTooLong       = &Error{codes.Unauthenticated, "the token was made for longer than Admin.Tokens.MaxLife", string(token.TooLong)}
	TokenDenied        = &Error{codes.Unauthenticated, "the token has been denied", string(token.Denied)}
	CertificateNeeded  = &Error{codes.Unauthenticated, "a client certificate is needed", "no_credentials"}
	CertificateBad     = &Error{codes.Unauthenticated, "the client certificate is not one that Admin.TLS.ClientCAFile signed", "certificate"}
	CertificateUnknown = &Error{codes.Unauthenticated, "Admin.TLS.Clients does not name this certificate", "client_unknown"}
	ScopeMissing       = &Error{codes.PermissionDenied, "the scope %s is needed", "scope"}
	TooManyCalls       = &Error{codes.ResourceExhausted, "too many calls; try again in %v", "rate"}
	TooManyExports     = &Error{codes.ResourceExhausted, "other exports are under way; try again when they have ended", "rate"}
	AuditUnwritable    = &Error{codes.Unavailable, "the audit log cannot be written; nothing was done", "audit"}
	KeysUnwritable     = &Error{codes.Unavailable, "idempotency keys cannot be written; nothing was done", "audit"}
	KeyMalformed       = &Error{codes.InvalidArgument, "Idempotency-Key: must be one of 1 to 128 printable ASCII characters", "key"}
	KeyReused          = &Error{codes.AlreadyExists, "Idempotency-Key: it was used for another request; nothing was done", "key_reused"}
	KeyUnderWay        = &Error{codes.Aborted, "Idempotency-Key: the call that came with it first is under way", "key_under_way"}
)

// What people are answered whom the console does not let in.
var (
	SignInRequest     = &Error{codes.Unauthenticated, "this is no answer to a sign-in", string(oidclogin.BadRequest)}
	SignInCode        = &Error{codes.Unauthenticated, "the issuer does not take this sign-in; begin again", string(oidclogin.BadCode)}
	SignInIDToken     = &Error{codes.Unauthenticated, "the issuer's ID token is not good here", string(oidclogin.BadIDToken)}
	SignInName        = &Error{codes.Unauthenticated, "the issuer does not say who you are, or has not verified your e-mail address", string(oidclogin.NoName)}
	SignInGrant       = &Error{codes.Unauthenticated, "none of your roles may do anything here", string(oidclogin.NoGrant)}
	IssuerUnavailable = &Error{codes.Unavailable, "the issuer cannot be used now; the log says why", ""}
)

// What callers of the admin API are answered whose call was looked at.
var (
	FieldInvalid      = &Error{codes.InvalidArgument, "%s: %s", ""}
	NoSuchSession     = &Error{codes.NotFound, "there is no such session", ""}
	NoSuchRow         = &Error{codes.NotFound, "there is no such row", ""}
	NoSuchWebhook     = &Error{codes.NotFound, "there is no webhook %q on this node", ""}
	NoSuchPath        = &Error{codes.NotFound, "there is no such path", ""}
	NoSuchMethod      = &Error{codes.Unimplemented, "there is no such method", ""}
	OtherVerb         = &Error{codes.Unimplemented, "use %s here", ""}
	TooManySessions   = &Error{codes.FailedPrecondition, "%d sessions would end, more than at_most, which is %d; none was ended", ""}
	CleanUpUnderWay   = &Error{codes.Aborted, "another clean-up is under way; try again when it has ended", ""}
	TookTooLong       = &Error{codes.DeadlineExceeded, "it took longer than Admin.Timeout", ""}
	CallerGone        = &Error{codes.Canceled, "the caller went away", ""}
	OutcomeUnknown    = &Error{codes.Unavailable, "%s", ""}
	StoreUnavailable  = &Error{codes.Unavailable, "the store cannot be used now; the log says why", ""}
	FaultHere         = &Error{codes.Internal, "something is wrong here; the log says what", ""}
	AnswerUnwritable  = &Error{codes.Internal, "the answer cannot be written as JSON", ""}
	HashesNameNothing = &Error{codes.NotFound, "%d of the hashes name no session", ""} // authsession ctl
)

var tokens = map[token.Refusal]*Error{
	token.Missing: TokenMissing, token.Malformed: TokenMalformed, token.Algorithm: TokenAlgorithm,
	token.Signature: TokenSignature, token.Expired: TokenExpired, token.NoExpiry: TokenNoExpiry,
	token.NotYetValid: TokenNotYetValid, token.Issuer: TokenIssuer, token.Audience: TokenAudience,
	token.Subject: TokenSubject, token.KeyUnknown: TokenKeyUnknown, token.TooLong: TokenTooLong, token.Denied: TokenDenied,
}

var signIns = map[oidclogin.Refusal]*Error{
	oidclogin.BadRequest: SignInRequest, oidclogin.BadCode: SignInCode, oidclogin.BadIDToken: SignInIDToken,
	oidclogin.NoName: SignInName, oidclogin.NoGrant: SignInGrant,
}

// Token is the answer to a caller whose token is refused.
func Token(why token.Refusal) *Error { return cmp.Or(tokens[why], TokenMalformed) }

// SignIn is the answer to a person whose sign-in is refused.
func SignIn(why oidclogin.Refusal) *Error { return cmp.Or(signIns[why], SignInRequest) }

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
