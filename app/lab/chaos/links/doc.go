// Package links is the network between the nodes of a cluster on one machine,
// as one node sees it: a proxy to each of its peers, which can be cut, stalled
// and slowed without touching what other nodes see.
//
//	session node ──▶ proxy ──▶ authsession
//	             ──▶ proxy ──▶ BFF
//	             ──▶ proxy ──▶ view ──▶ etcd
//
// A node finds its peers in etcd, where their own addresses are, and etcd tells
// where its members are. So the node's way to etcd goes through a view, which
// names the proxies of this node in their place and changes nothing else:
// registrations, leases and watches are etcd's.
package links
