// Package status is the part of the status service that a cluster needs to
// reach its users: session nodes say who is online on them, and whoever pushes
// asks (proto/PEERS.md, "status").
//
// With a Redis the entries lie where a stock status service keeps them: hash
// user_online_keys#<user id>, field = decimal perm key id, value = the entry
// as JSON, the whole hash expiring together.
package status
