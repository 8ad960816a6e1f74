#!/bin/bash
# go-mysql-server sends the plan of an EXPLAIN so that go-sql-driver cannot read its rows.
#
# EXPLAIN answers a table. MySQL's columns id and rows are numbers, NULL where a plan has
# none (of "Impossible WHERE", for one). go-mysql-server declares the same columns, as
# unsigned numbers, and where there is none sends the four letters NULL as the value. The
# driver parses a number and gives up: rows.Next is false, and rows.Err a strconv error, for
# a statement that is right. Scanning into anything helps nothing, for it is the row that is
# not read. Who asks for a plan only to see whether it is allowed must not read it.
#
# Version: github.com/dolthub/go-mysql-server v0.20.0, github.com/go-sql-driver/mysql v1.10.1.
# Seen:
#   EXPLAIN SELECT * FROM t WHERE 1 = 0: asked for: <nil>, columns: id is UNSIGNED BIGINT, rows read: 0, error: strconv.ParseUint: parsing "NULL": invalid syntax
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding

go 1.25

require (
	github.com/dolthub/go-mysql-server v0.20.0
	github.com/go-sql-driver/mysql v1.10.1
)
MOD
cat >main.go <<'GO'
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	gms "github.com/dolthub/go-mysql-server/sql"
	_ "github.com/go-sql-driver/mysql"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	address := free.Addr().String()
	must(free.Close())
	provider := memory.NewDBProvider(memory.NewDatabase("d"))
	s, err := server.NewServer(server.Config{Protocol: "tcp", Address: address}, sqle.NewDefault(provider), gms.NewContext, memory.NewSessionBuilder(provider), nil)
	must(err)
	go func() { _ = s.Start() }()
	db, err := sql.Open("mysql", "root@tcp("+address+")/d")
	must(err)
	for range 1000 {
		if err = db.Ping(); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	must(err)
	_, err = db.Exec("CREATE TABLE t (id BIGINT PRIMARY KEY, v BIGINT)")
	must(err)

	const statement = "EXPLAIN SELECT * FROM t WHERE 1 = 0"
	rows, err := db.Query(statement)
	fmt.Printf("%s: asked for: %v", statement, err)
	must(err)
	types, err := rows.ColumnTypes()
	must(err)
	n := 0
	for rows.Next() {
		n++
	}
	err = rows.Err()
	fmt.Printf(", columns: %s is %s, rows read: %d, error: %v\n", types[0].Name(), types[0].DatabaseTypeName(), n, err)
	if n != 0 || !errors.As(err, new(*strconv.NumError)) {
		os.Exit(1)
	}
}
GO
GOFLAGS=-mod=mod CGO_ENABLED=0 go run .
