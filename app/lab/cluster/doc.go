// Package cluster puts a whole cluster together:
//
//	etcd, Redis, MySQL     embedded, or real ones by address
//	status, BFF, gateway   in this process
//	authsession, session   child processes, from yaml files of the stock shape
//
// Everything finds everything else through etcd, as in an operator's cluster.
package cluster
