// Package upstream speaks to the session nodes the way the stock gateway does:
// each key belongs to one node of a consistent hash ring, every call goes to
// the owner of its key, unary or through one stream a node, and an answer of
// code 700 names the node to ask in its place, once.
//
//	etcd ──▶ Update ──▶ ring ──▶ node ──▶ unary call
//	                                └───▶ link (one bidirectional stream)
//
// A node that fails to answer three times in a row leaves the ring until the
// set of nodes changes.
package upstream
