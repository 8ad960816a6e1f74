// Package cluster holds the conformance suite against a whole cluster on
// embedded parts: what session, authsession and the development gateway keep
// of the protocol's rules.
package cluster
