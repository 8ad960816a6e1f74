// Package events tells the world what happens to sessions, each event at least
// once, through a Redis stream:
//
//	transaction of a change ── Append ──▶ session_events (MySQL)
//	                                          │ Relay: one node at a time, in order
//	                                          ▼
//	                                       Redis stream ──▶ consumer groups
//
// An event is there if and only if its change was committed. It leaves MySQL
// after Redis has taken it: an outage of Redis delays events and loses none.
// A node that dies in between leaves them to be published again, with the same
// id; readers skip ids they have seen. The first appearances of a session's
// events have the order of its changes.
package events
