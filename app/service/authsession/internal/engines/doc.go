// Package engines holds the tests that run on whatever databases and caches
// operators run, while something happens to them. .ci/test-engines starts them,
// one after the other, and says by the environment which they are:
//
//	TEST_ENGINE_DSNS        DSNs, separated by spaces: node i of the service uses the i-th
//	TEST_ENGINE_MYSQL_AT    a file with the address of the primary: nodes reach it by
//	                        a proxy, as by a virtual address
//	TEST_ENGINE_REDIS       the address of Redis, of several nodes of a cluster, or
//	                        of sentinels
//	TEST_ENGINE_REDIS_MORE  what Cache and KV have beside Host, in JSON
//	TEST_ENGINE_EVENT       a command that makes something happen, under load
//	TEST_ENGINE_RESULT      a file for the line that sums it up
package engines
