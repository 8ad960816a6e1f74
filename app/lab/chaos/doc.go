// Package chaos ends, stops and cuts off the parts of a cluster while real
// clients talk, and judges what they saw: which messages were lost, what was
// carried out twice, how long until all was well again.
//
//	package plan   which faults, in which order (pure)
//	package site   the cluster, and how a fault is made to it
//	package links  the network between its nodes
//	package gate   the gateway as a process
//	package load   the clients, and the record of what they saw
//	package check  the judgement of that record (pure)
//
// First each fault is made once, then faults are drawn at random until the time
// is over. Between two of them the cluster is left alone for a while.
package chaos
