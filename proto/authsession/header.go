// Package authsession is the contract with the authsession service (PEERS.md,
// "authsession" and "Our own calls").
package authsession

// ExpiresAtHeader is the gRPC response header by which our authsession tells when
// a key ends, with the answers to getPermAuthKeyId and queryAuthKey: Unix seconds
// in decimal; absent for a key that does not end, and from a stock authsession.
const ExpiresAtHeader = "tgsession-key-expires-at"
