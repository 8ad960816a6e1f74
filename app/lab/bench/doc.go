// Package bench puts load on a gateway and what is behind it: many MTProto
// clients with a key, a session and a connection each, that ping, call and
// send messages, each one operation after the other.
//
//	run.go      the clients' setup and what the load consists of
//	client.go   one client
//	usage       what the session process used meanwhile, from its metrics
//	report.go   the table
//	versus      what session costs beside the floor
//
// A push is a message to oneself, timed from the call to its arrival at the
// user's other device, so clients come in pairs.
package bench
