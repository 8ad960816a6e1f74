// Package embedded runs the servers that a cluster leans on inside this
// process: etcd, a Redis and a MySQL server. Each speaks its real protocol on
// a loopback port of its own and keeps nothing once it is closed, the data
// directory of etcd apart, which the caller names and removes.
//
// They are good for a demonstration and for tests that need a server of some
// kind. They prove nothing about concurrency, durability or speed: the MySQL
// engine loses updates when more than one connection writes.
package embedded
