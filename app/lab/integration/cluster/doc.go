// Package cluster runs the scenario of `lab demo`, with the real gotd/td
// client and the development gateway, against the built binaries on real
// MariaDB, Redis and etcd.
package cluster
