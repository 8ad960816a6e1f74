// Package events tells the world what happens to sessions, each event at least
// once, through a Redis stream
//
//	transaction of a change ── Append ──▶ session_events (MySQL)
//	                                          │ relay: one node at a time, in order
//	                                          ▼
//	                                       Redis stream ──▶ consumer groups
//
// and to webhooks: each has a hook, one node at a time, which follows the batches that
// the relay has published, and keeps in session_webhooks how far it came. What it writes
// it writes under the token of its lock, so that a node that was replaced changes nothing.
// The events of a user come one after the other, each in a request of its own. One that
// nobody takes is given up after some attempts, and kept as a dead letter if anything is
// stored of its user; one that is older than Events.Retain, or beyond Events.MaxLen, is
// not there any more.
//
// An event is there if and only if its change was committed. It is published in a
// numbered batch, and stays in MySQL for Events.Retain afterwards. Beside the
// stream, in the same script, goes the number of the last batch that the stream
// has. A Redis that comes back from a dump, a replica that was promoted without
// the last writes, a stream that was deleted: each has a lower number than MySQL,
// or none, and what it lacks is published again, before anything newer.
//
// An outage of Redis delays events and loses none; a node that dies between the
// two has its batch published again. Repeated events have the same id, and
// readers skip ids they have seen. The first appearances of a session's events
// have the order of its changes, as they were committed.
package events
