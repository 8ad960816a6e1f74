package rpcerr

// Row is an error of the catalogue.
type Row struct {
	*Error
	Name string // of the variable
	To   string // who sees it
	When string
	Then string // what they do, or should
}

// Who sees errors.
const (
	toPeers   = "peer" // a gateway, a session node, a BFF
	toCallers = "caller of the admin API"
	toPeople  = "person who signs in to the console"
)

const (
	askAgain = "The caller gets a new token."
	mendIt   = "The caller mends its request; the same one is refused again."
)

// Rows is the catalogue, by who sees what.
var Rows = []Row{
	{ErrKeyUnregistered, "ErrKeyUnregistered", toPeers, "No key has the id. Never answered for a fault: it would log the client out.", "A gateway answers the client -404, who makes a new key; session forgets what it held of the key."},
	{ErrKeyPermEmpty, "ErrKeyPermEmpty", toPeers, "A temp key is bound to no perm key, or its binding has ended.", "Session answers calls of the key with the same error, and the client binds a key."},
	{ErrEncryptedMessage, "ErrEncryptedMessage", toPeers, "auth.bindTempAuthKey: the perm key is not known, or the encrypted message is not what its holder would have sealed.", "The client throws the temp key away, and may make a new perm key."},
	{ErrInputInvalid, "ErrInputInvalid", toPeers, "A request lacks what it must have, or a value is outside its range.", "A fault of the caller; its log has it."},
	{ErrTempKeyEmpty, "ErrTempKeyEmpty", toPeers, "auth.bindTempAuthKey: the key that would be bound is not a temp key.", "The client makes a temp key and binds it."},
	{ErrTempKeyBound, "ErrTempKeyBound", toPeers, "auth.bindTempAuthKey: the temp key is bound to another perm key.", "The client makes a temp key and binds it."},
	{ErrExpiresAt, "ErrExpiresAt", toPeers, "auth.bindTempAuthKey: expires_at has passed, or is later than the temp key's own end.", "The client makes a temp key and binds it with a time that is its own."},
	{ErrHashInvalid, "ErrHashInvalid", toPeers, "No login of the user has the hash.", "The client reads its list of devices again."},
	{ErrSessionNotFound, "ErrSessionNotFound", toPeers, "getSession, findLastSession: there is no such login.", "The caller goes on without."},
	{ErrInternal, "ErrInternal", toPeers, "A fault of authsession, MySQL or Redis, or more than `MaxInFlight` calls are in flight. The log has the cause; its text stays on the node.", "Peers log it. Session keeps what it knows of a login and asks again."},
	{ErrPeerNotAllowed, "ErrPeerNotAllowed", toPeers, "`AllowPeers` does not name the caller's address ([security](security.md#who-may-call)).", "The peer logs it; the list has to be mended."},

	{ErrNoTokensHere, "ErrNoTokensHere", toCallers, "A call shows a token, and `Admin.Tokens` names no keys.", "Use a client certificate."},
	{ErrTokenNotAlone, "ErrTokenNotAlone", toCallers, "The header Authorization is there twice, or is no bearer token.", mendIt},
	{ErrTokenMissing, "ErrTokenMissing", toCallers, "A call shows neither token nor certificate.", "Show a token."},
	{ErrTokenMalformed, "ErrTokenMalformed", toCallers, "The token is no JWT, is larger than is read, or has an extension that must be understood.", askAgain},
	{ErrTokenAlgorithm, "ErrTokenAlgorithm", toCallers, "The token's alg is not one of its key's.", askAgain},
	{ErrTokenSignature, "ErrTokenSignature", toCallers, "The key that the token names did not sign it.", askAgain},
	{ErrTokenExpired, "ErrTokenExpired", toCallers, "The token's exp has passed.", askAgain},
	{ErrTokenNoExpiry, "ErrTokenNoExpiry", toCallers, "The token has no exp.", "Whoever makes the tokens has to give them one."},
	{ErrTokenNotYetValid, "ErrTokenNotYetValid", toCallers, "The token's nbf or iat lies ahead.", "Compare the clocks of the issuer and of this node."},
	{ErrTokenIssuer, "ErrTokenIssuer", toCallers, "The token's iss is not the configured one.", askAgain},
	{ErrTokenAudience, "ErrTokenAudience", toCallers, "The token's aud does not hold the configured one.", askAgain},
	{ErrTokenSubject, "ErrTokenSubject", toCallers, "The token's sub is missing, or cannot stand in the audit log.", "Whoever makes the tokens has to give them one."},
	{ErrTokenKeyUnknown, "ErrTokenKeyUnknown", toCallers, "No key of the configuration has the token's kid.", "Get a new token; after a change of keys, have the node read them."},
	{ErrTokenTooLong, "ErrTokenTooLong", toCallers, "From iat, or from now where there is none, to exp are more than `Admin.Tokens.MaxLife`.", "Make shorter tokens, or raise the limit."},
	{ErrTokenDenied, "ErrTokenDenied", toCallers, "The list of denied tokens has it.", askAgain},
	{ErrCertificateNeeded, "ErrCertificateNeeded", toCallers, "A call shows nothing, and only certificates are taken here.", "Show a client certificate."},
	{ErrCertificateBad, "ErrCertificateBad", toCallers, "`Admin.TLS.ClientCAFile` did not sign the certificate. The connection ends before the call.", "Get a certificate of that CA."},
	{ErrCertificateUnknown, "ErrCertificateUnknown", toCallers, "`Admin.TLS.Clients` has neither the common name nor a DNS name of the certificate.", "Add the name there, with its scopes."},
	{ErrScopeMissing, "ErrScopeMissing", toCallers, "The caller is known, and may not make this call.", "Use another token or certificate, or grant the scope."},
	{ErrTooManyCalls, "ErrTooManyCalls", toCallers, "The caller, or its address after refusals, calls more often than `Admin.RateLimit` lets it.", "Wait for the time that Retry-After or RetryInfo names; `authsession ctl` does."},
	{ErrTooManyExports, "ErrTooManyExports", toCallers, "As many exports of the audit log as a node makes at a time are under way.", "Try again when they have ended."},
	{ErrAuditUnwritable, "ErrAuditUnwritable", toCallers, "MySQL does not take the row of the audit log. No change is made that is not written down.", "Mend MySQL, and call again."},
	{ErrKeysUnwritable, "ErrKeysUnwritable", toCallers, "MySQL does not take the idempotency key.", "Mend MySQL, and call again with the same key."},
	{ErrKeyMalformed, "ErrKeyMalformed", toCallers, "The header Idempotency-Key is there twice, empty, too long, or not ASCII.", mendIt},
	{ErrKeyReused, "ErrKeyReused", toCallers, "The caller used the key for another request.", "A fault of the caller: a key is for one request."},
	{ErrKeyUnderWay, "ErrKeyUnderWay", toCallers, "The first call with the key has not ended.", "Call again with the same key: the first call's answer comes."},

	{ErrFieldInvalid, "ErrFieldInvalid", toCallers, "A field of the request is missing, outside its range, or not known. The text names the field and says what it must be.", mendIt},
	{ErrNoSuchSession, "ErrNoSuchSession", toCallers, "No login has the hash, the key or the user.", "Read the list again: it may have ended and been forgotten."},
	{ErrNoSuchRow, "ErrNoSuchRow", toCallers, "The audit log has no row of the number.", "It may be older than `Admin.KeepLog`."},
	{ErrNoSuchWebhook, "ErrNoSuchWebhook", toCallers, "The configuration of the node that answers has no webhook of the name.", "Ask a node that has it."},
	{ErrNoSuchPath, "ErrNoSuchPath", toCallers, "REST has no such path.", mendIt},
	{ErrNoSuchMethod, "ErrNoSuchMethod", toCallers, "gRPC has no such method: the caller is newer than the node.", "Ask a node of the caller's version."},
	{ErrOtherVerb, "ErrOtherVerb", toCallers, "REST has the path, and not with this verb; the header Allow names those that it has.", mendIt},
	{ErrTooManySessions, "ErrTooManySessions", toCallers, "More logins than the caller's at_most would end.", "Look at them with dry_run, then raise at_most."},
	{ErrCleanUpUnderWay, "ErrCleanUpUnderWay", toCallers, "A node does the same at this time.", "Try again when it has ended."},
	{ErrTookTooLong, "ErrTookTooLong", toCallers, "The call took longer than `Admin.Timeout`. The details tell what was ended before.", "Call again: what is done stays done."},
	{ErrCallerGone, "ErrCallerGone", toCallers, "The caller closed the connection or canceled the call.", "The audit log has how far it came."},
	{ErrOutcomeUnknown, "ErrOutcomeUnknown", toCallers, "MySQL went away while it committed: the change may have been made. The text says so.", "Call again: it does no harm."},
	{ErrStoreUnavailable, "ErrStoreUnavailable", toCallers, "MySQL or Redis cannot be reached.", "Call again when it can be."},
	{ErrFaultHere, "ErrFaultHere", toCallers, "MySQL refused a statement, or the program has a fault. The log has the cause.", "Report it with the lines of the log."},
	{ErrAnswerUnwritable, "ErrAnswerUnwritable", toCallers, "A text of an answer is not UTF-8.", "Use gRPC, and report it."},
	{ErrHashesNameNothing, "ErrHashesNameNothing", toCallers, "`authsession ctl revoke` was given hashes that no login has. The others are ended.", "Look for the logins by their users."},

	{ErrSignInRequest, "ErrSignInRequest", toPeople, "What the browser sent is no answer of an issuer.", "Begin again."},
	{ErrSignInCode, "ErrSignInCode", toPeople, "The issuer does not take code and verifier: too old, or used before.", "Begin again."},
	{ErrSignInIDToken, "ErrSignInIDToken", toPeople, "The ID token's signature, issuer, audience, nonce or time is wrong.", "Compare `Admin.OIDC` with the issuer's settings."},
	{ErrSignInName, "ErrSignInName", toPeople, "`Admin.OIDC.NameClaim` is missing in the ID token, or is an e-mail address that is not verified.", "Choose another claim, or verify the address."},
	{ErrSignInGrant, "ErrSignInGrant", toPeople, "No role of the person grants anything.", "Give the person a role at the issuer, or name the role in `Admin.OIDC.Grants`."},
	{ErrIssuerUnavailable, "ErrIssuerUnavailable", toPeople, "The issuer cannot be reached, or answers nonsense.", "Try again; the log has the cause."},
}
