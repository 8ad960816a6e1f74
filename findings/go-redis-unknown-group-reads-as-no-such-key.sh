#!/bin/bash
# Asked for a group that the sentinels do not know, go-redis answers GET as if the key
# were not there.
#
# Redis Sentinel answers SENTINEL get-master-addr-by-name with a nil for a name that it
# does not monitor. The failover client of go-redis tries each sentinel, and joins what
# each of them said into the error of the command. The nil is go-redis' redis.Nil, by
# which callers know that GET found no key. So errors.Is(err, redis.Nil), which is how
# the documentation has callers tell that case, is true though no Redis was asked: a
# mistyped group, or one that was removed from the sentinels, looks like an empty cache,
# and a cache fills nothing and says nothing. Compared by == the error is another one.
#
# A caller has to look for other errors before it believes redis.Nil.
#
# Version: github.com/redis/go-redis/v9 v9.23.0, Redis 7.0.15 as the sentinel.
# Seen:
#   redis: all sentinels specified in configuration are unreachable: redis: nil
#   errors.Is(err, redis.Nil): true, err == redis.Nil: false
set -euo pipefail
command -v redis-server >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends redis-server; } >/dev/null
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill $pid; rm -rf "$dir"' EXIT
cd "$dir"
port=$((20000 + RANDOM % 10000))
printf 'port %s\nbind 127.0.0.1\ndir %s\n' "$port" "$dir" >sentinel.conf
redis-server sentinel.conf --sentinel >sentinel.log 2>&1 &
pid=$!
for _ in $(seq 100); do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	sleep 0.1
done
cat >go.mod <<'MOD'
module finding

go 1.25

require github.com/redis/go-redis/v9 v9.23.0
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"
)

func main() {
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "unknown", SentinelAddrs: []string{os.Args[1]}, MaxRetries: -1})
	defer client.Close()
	err := client.Get(context.Background(), "key").Err()
	fmt.Println(err)
	fmt.Printf("errors.Is(err, redis.Nil): %v, err == redis.Nil: %v\n", errors.Is(err, redis.Nil), err == redis.Nil)
}
GO
GOFLAGS=-mod=mod go run . "127.0.0.1:$port" 2>/dev/null | tee out
grep -q '^errors.Is(err, redis.Nil): true, err == redis.Nil: false$' out
