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
	{KeyUnregistered, "KeyUnregistered", toPeers, "No key has the id. Never answered for a fault: it would log the client out.", "A gateway answers the client -404, who makes a new key; session forgets what it held of the key."},
	{KeyPermEmpty, "KeyPermEmpty", toPeers, "A temp key is bound to no perm key, or its binding has ended.", "Session answers calls of the key with the same error, and the client binds a key."},
	{EncryptedMessage, "EncryptedMessage", toPeers, "auth.bindTempAuthKey: the perm key is not known, or the encrypted message is not what its holder would have sealed.", "The client throws the temp key away, and may make a new perm key."},
	{InputInvalid, "InputInvalid", toPeers, "A request lacks what it must have, or a value is outside its range.", "A fault of the caller; its log has it."},
	{TempKeyEmpty, "TempKeyEmpty", toPeers, "auth.bindTempAuthKey: the key that would be bound is not a temp key.", "The client makes a temp key and binds it."},
	{TempKeyBound, "TempKeyBound", toPeers, "auth.bindTempAuthKey: the temp key is bound to another perm key.", "The client makes a temp key and binds it."},
	{ExpiresAt, "ExpiresAt", toPeers, "auth.bindTempAuthKey: expires_at has passed, or is later than the temp key's own end.", "The client makes a temp key and binds it with a time that is its own."},
	{HashInvalid, "HashInvalid", toPeers, "No login of the user has the hash.", "The client reads its list of devices again."},
	{SessionNotFound, "SessionNotFound", toPeers, "getSession, findLastSession: there is no such login.", "The caller goes on without."},
	{Internal, "Internal", toPeers, "A fault of authsession, MySQL or Redis, or more than `MaxInFlight` calls are in flight. The log has the cause; its text stays on the node.", "Peers log it. Session keeps what it knows of a login and asks again."},
	{PeerNotAllowed, "PeerNotAllowed", toPeers, "`AllowPeers` does not name the caller's address ([security](security.md#who-may-call)).", "The peer logs it; the list has to be mended."},

	{NoTokensHere, "NoTokensHere", toCallers, "A call shows a token, and `Admin.Tokens` names no keys.", "Use a client certificate."},
	{TokenNotAlone, "TokenNotAlone", toCallers, "The header Authorization is there twice, or is no bearer token.", mendIt},
	{TokenMissing, "TokenMissing", toCallers, "A call shows neither token nor certificate.", "Show a token."},
	{TokenMalformed, "TokenMalformed", toCallers, "The token is no JWT, is larger than is read, or has an extension that must be understood.", askAgain},
	{TokenAlgorithm, "TokenAlgorithm", toCallers, "The token's alg is not one of its key's.", askAgain},
	{TokenSignature, "TokenSignature", toCallers, "The key that the token names did not sign it.", askAgain},
	{TokenExpired, "TokenExpired", toCallers, "The token's exp has passed.", askAgain},
	{TokenNoExpiry, "TokenNoExpiry", toCallers, "The token has no exp.", "Whoever makes the tokens has to give them one."},
	{TokenNotYetValid, "TokenNotYetValid", toCallers, "The token's nbf or iat lies ahead.", "Compare the clocks of the issuer and of this node."},
	{TokenIssuer, "TokenIssuer", toCallers, "The token's iss is not the configured one.", askAgain},
	{TokenAudience, "TokenAudience", toCallers, "The token's aud does not hold the configured one.", askAgain},
	{TokenSubject, "TokenSubject", toCallers, "The token's sub is missing, or cannot stand in the audit log.", "Whoever makes the tokens has to give them one."},
	{TokenKeyUnknown, "TokenKeyUnknown", toCallers, "No key of the configuration has the token's kid.", "Get a new token; after a change of keys, have the node read them."},
	{TokenTooLong, "TokenTooLong", toCallers, "From iat, or from now where there is none, to exp are more than `Admin.Tokens.MaxLife`.", "Make shorter tokens, or raise the limit."},
	{TokenDenied, "TokenDenied", toCallers, "The list of denied tokens has it.", askAgain},
	{CertificateNeeded, "CertificateNeeded", toCallers, "A call shows nothing, and only certificates are taken here.", "Show a client certificate."},
	{CertificateBad, "CertificateBad", toCallers, "`Admin.TLS.ClientCAFile` did not sign the certificate. The connection ends before the call.", "Get a certificate of that CA."},
	{CertificateUnknown, "CertificateUnknown", toCallers, "`Admin.TLS.Clients` has neither the common name nor a DNS name of the certificate.", "Add the name there, with its scopes."},
	{ScopeMissing, "ScopeMissing", toCallers, "The caller is known, and may not make this call.", "Use another token or certificate, or grant the scope."},
	{TooManyCalls, "TooManyCalls", toCallers, "The caller, or its address after refusals, calls more often than `Admin.RateLimit` lets it.", "Wait for the time that Retry-After or RetryInfo names; `authsession ctl` does."},
	{TooManyExports, "TooManyExports", toCallers, "As many exports of the audit log as a node makes at a time are under way.", "Try again when they have ended."},
	{AuditUnwritable, "AuditUnwritable", toCallers, "MySQL does not take the row of the audit log. No change is made that is not written down.", "Mend MySQL, and call again."},
	{KeysUnwritable, "KeysUnwritable", toCallers, "MySQL does not take the idempotency key.", "Mend MySQL, and call again with the same key."},
	{KeyMalformed, "KeyMalformed", toCallers, "The header Idempotency-Key is there twice, empty, too long, or not ASCII.", mendIt},
	{KeyReused, "KeyReused", toCallers, "The caller used the key for another request.", "A fault of the caller: a key is for one request."},
	{KeyUnderWay, "KeyUnderWay", toCallers, "The first call with the key has not ended.", "Call again with the same key: the first call's answer comes."},

	{FieldInvalid, "FieldInvalid", toCallers, "A field of the request is missing, outside its range, or not known. The text names the field and says what it must be.", mendIt},
	{NoSuchSession, "NoSuchSession", toCallers, "No login has the hash, the key or the user.", "Read the list again: it may have ended and been forgotten."},
	{NoSuchRow, "NoSuchRow", toCallers, "The audit log has no row of the number.", "It may be older than `Admin.KeepLog`."},
	{NoSuchWebhook, "NoSuchWebhook", toCallers, "The configuration of the node that answers has no webhook of the name.", "Ask a node that has it."},
	{NoSuchPath, "NoSuchPath", toCallers, "REST has no such path.", mendIt},
	{NoSuchMethod, "NoSuchMethod", toCallers, "gRPC has no such method: the caller is newer than the node.", "Ask a node of the caller's version."},
	{OtherVerb, "OtherVerb", toCallers, "REST has the path, and not with this verb; the header Allow names those that it has.", mendIt},
	{TooManySessions, "TooManySessions", toCallers, "More logins than the caller's at_most would end.", "Look at them with dry_run, then raise at_most."},
	{CleanUpUnderWay, "CleanUpUnderWay", toCallers, "A node does the same at this time.", "Try again when it has ended."},
	{TookTooLong, "TookTooLong", toCallers, "The call took longer than `Admin.Timeout`. The details tell what was ended before.", "Call again: what is done stays done."},
	{CallerGone, "CallerGone", toCallers, "The caller closed the connection or canceled the call.", "The audit log has how far it came."},
	{OutcomeUnknown, "OutcomeUnknown", toCallers, "MySQL went away while it committed: the change may have been made. The text says so.", "Call again: it does no harm."},
	{StoreUnavailable, "StoreUnavailable", toCallers, "MySQL or Redis cannot be reached.", "Call again when it can be."},
	{FaultHere, "FaultHere", toCallers, "MySQL refused a statement, or the program has a fault. The log has the cause.", "Report it with the lines of the log."},
	{AnswerUnwritable, "AnswerUnwritable", toCallers, "A text of an answer is not UTF-8.", "Use gRPC, and report it."},
	{HashesNameNothing, "HashesNameNothing", toCallers, "`authsession ctl revoke` was given hashes that no login has. The others are ended.", "Look for the logins by their users."},

	{SignInRequest, "SignInRequest", toPeople, "What the browser sent is no answer of an issuer.", "Begin again."},
	{SignInCode, "SignInCode", toPeople, "The issuer does not take code and verifier: too old, or used before.", "Begin again."},
	{SignInIDToken, "SignInIDToken", toPeople, "The ID token's signature, issuer, audience, nonce or time is wrong.", "Compare `Admin.OIDC` with the issuer's settings."},
	{SignInName, "SignInName", toPeople, "`Admin.OIDC.NameClaim` is missing in the ID token, or is an e-mail address that is not verified.", "Choose another claim, or verify the address."},
	{SignInGrant, "SignInGrant", toPeople, "No role of the person grants anything.", "Give the person a role at the issuer, or name the role in `Admin.OIDC.Grants`."},
	{IssuerUnavailable, "IssuerUnavailable", toPeople, "The issuer cannot be reached, or answers nonsense.", "Try again; the log has the cause."},
}
