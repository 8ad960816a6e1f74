#!/bin/bash
# go-mysql-server does not parse an index hint that names the primary key.
#
# MySQL's grammar of index hints lets PRIMARY stand in the list without quotes ("Index
# Hints": to refer to a primary key, use the name PRIMARY), and MySQL and MariaDB
# take it: FORCE INDEX (PRIMARY), USE INDEX (PRIMARY). In go-mysql-server PRIMARY is a
# keyword there and nothing else, so the statement is a syntax error; quoted with
# backticks it is taken. A service whose statements have the hint works on every server
# and fails on this one, which is the usual one for tests without a server.
#
# Version: github.com/dolthub/go-mysql-server v0.20.0.
# Seen:
#   SELECT v FROM t FORCE INDEX (PRIMARY) WHERE id > 0: syntax error
#   SELECT v FROM t USE INDEX (PRIMARY) WHERE id > 0: syntax error
#   SELECT v FROM t FORCE INDEX (`PRIMARY`) WHERE id > 0: taken
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding

go 1.25

require github.com/dolthub/go-mysql-server v0.20.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/sql"
)

func main() {
	db := memory.NewDatabase("d")
	provider := memory.NewDBProvider(db)
	engine := sqle.NewDefault(provider)
	session := memory.NewSession(sql.NewBaseSession(), provider)
	run := func(statement string) error {
		ctx := sql.NewEmptyContext()
		ctx.Session = session
		ctx.SetCurrentDatabase("d")
		_, rows, _, err := engine.Query(ctx, statement)
		if err != nil {
			return err
		}
		_, err = sql.RowIterToRows(ctx, rows)
		return err
	}
	if err := run("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT)"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	asSeen := true
	for _, c := range []struct {
		statement string
		taken     bool
	}{
		{"SELECT v FROM t FORCE INDEX (PRIMARY) WHERE id > 0", false},
		{"SELECT v FROM t USE INDEX (PRIMARY) WHERE id > 0", false},
		{"SELECT v FROM t FORCE INDEX (`PRIMARY`) WHERE id > 0", true},
	} {
		err := run(c.statement)
		outcome := "taken"
		if err != nil {
			outcome = "another error: " + err.Error()
			if sql.ErrSyntaxError.Is(err) {
				outcome = "syntax error"
			}
		}
		fmt.Printf("%s: %s\n", c.statement, outcome)
		asSeen = asSeen && outcome == map[bool]string{true: "taken", false: "syntax error"}[c.taken]
	}
	if !asSeen {
		os.Exit(1)
	}
}
GO
GOFLAGS=-mod=mod CGO_ENABLED=0 go run .
