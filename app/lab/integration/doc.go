// Package integration tests the built session and authsession binaries
// against real MariaDB, Redis and etcd.
//
// Two kinds of tests live here. The scenario of `lab demo` runs with the
// real gotd/td client through the development gateway. Everything else plays
// the peers by hand, over the stock gRPC contracts and nothing else:
//
//	client (client_test.go)      packets as a gateway would decrypt them
//	gateway, status, BFF roles   (roles_test.go) registered in etcd
//	   │  ▲
//	   ▼  │
//	session, authsession         (services_test.go) child processes, started
//	   │                         from the stock yaml files in testdata
//	   ▼
//	MariaDB, Redis, etcd         (package servers) named by TEST_MYSQL_DSN,
//	                             TEST_REDIS_ADDR, TEST_ETCD_ENDPOINTS
//
// Starting a pair takes seconds, so tests that leave the services as they are
// share one, in parallel (shared_test.go): each with keys, users and a BFF of
// its own. The others start theirs first, one after another.
//
// Tests named TestWeaknessNN stage what the stock session service did wrong, by
// the numbers of testdata/weaknesses.txt.
//
// The scenario is in the folder cluster.
package integration
