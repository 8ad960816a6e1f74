// Package eventscmd is lab events: an example of how to consume the events that
// authsession publishes when Events.Stream is set.
//
// Several consumers of a group share the work. An entry that a consumer has
// read is its own until it acknowledges it, after the work is done: what it had
// not when it died is taken over by another. So each event is handled at least
// once; ids tell those that were handled before.
package eventscmd
