// Package site is the cluster that chaos is made in: real servers and the built
// services as processes of their own, with a network between them that can be
// broken node by node.
//
//	clients ─▶ gateway 1, 2 ─▶ session 1, 2, 3 (4) ─links─▶ authsession 1, 2 ─links─▶ MariaDB, Redis
//	                                               ─links─▶ etcd 1, 2, 3
//	                                               ─links─▶ BFF (here) ─▶ status (here) ─link─▶ Redis
//
// BFF and status live in this process, which counts what reaches them. Servers
// are started where their programs are installed; else those that are named are
// used, and no signal is sent to them.
//
// Clocks are not moved. libfaketime stands between a program and its libc: a Go
// program asks the kernel, and Redis does not start with it.
//
// Network namespaces, which would lose packets in place of holding them, need
// root and tools of the system; the proxies of package links need neither.
package site
