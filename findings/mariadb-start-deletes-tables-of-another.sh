#!/bin/bash
# A MariaDB that starts deletes the temporary tables of another one that runs.
#
# At its start a server deletes what servers before it left in its folder for temporary
# files (tmpdir): all files of the names that temporary tables have. It does not look
# whose they are, and tmpdir is /tmp for every server that is not told otherwise. So the
# second server of a machine, with files, socket and port of its own, takes from the
# first the files of its temporary tables of Aria and MyISAM (those of InnoDB are in the
# server's own files). What has a table open reads and writes it still. What names the
# file fails: mariadb-install-db, which drops such a table, when another server starts
# meanwhile ("Unknown table 'mysql.tmp_user_sys'"), and ALTER TABLE, which reports an
# error and changes the table all the same.
#
# Servers that share a machine need a tmpdir each, also those that tests start.
#
# Version: MariaDB 10.11.19 of Debian 12.
# Seen:
#   files of the first server before: 2, after the start of the second: 0
#   ERROR 6 (HY000): Error on delete of '...MAI' (Errcode: 2 "No such file or directory")
#   columns after the ALTER TABLE that failed: 2 (it began with 1)
set -euo pipefail
command -v mariadbd >/dev/null || { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends mariadb-server; } >/dev/null
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
mkdir "$dir/shared"

sql() { mariadb --no-defaults -uroot -N -S "$dir/$1.sock" -e "$2"; }

# start NAME: a server that has all but its tmpdir for itself.
start() {
	mkdir "$dir/$1-tmp"
	mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db \
		--datadir="$dir/$1" --tmpdir="$dir/$1-tmp" --user="$(id -un)" >"$dir/$1.log" 2>&1
	mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/$1" --socket="$dir/$1.sock" --pid-file="$dir/$1.pid" \
		--skip-networking --tmpdir="$dir/shared" >"$dir/$1.log" 2>&1 &
	pids+=($!)
	for _ in $(seq 600); do
		if sql "$1" 'SELECT 1' >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	return 1
}

# files WANT: waits until that many files of temporary tables are there, up to 10 s; prints how many are.
files() {
	local n
	for _ in $(seq 100); do
		n=$(find "$dir/shared" -name '#sql*' | wc -l)
		[ "$n" != "$1" ] || break
		sleep 0.1
	done
	echo "$n"
}

start first
sql first 'CREATE DATABASE d'
mkfifo "$dir/in"
mariadb --no-defaults -uroot -N -n --force -S "$dir/first.sock" d <"$dir/in" >"$dir/out" 2>&1 &
client=$!
exec 3>"$dir/in"
echo 'CREATE TEMPORARY TABLE t (a INT) ENGINE=Aria; INSERT INTO t VALUES (1);' >&3
before=$(files 2)
start second 3>&- # else it would keep the client from seeing its end
after=$(files 0)
echo 'ALTER TABLE t ADD b INT; SHOW COLUMNS FROM t;' >&3
exec 3>&-
wait "$client" || true

columns=$(grep -c $'^[ab]\t' "$dir/out" || true)
echo "MariaDB $(mariadbd --version | sed 's/.*Ver \([^ -]*\).*/\1/')"
echo "files of the first server before: $before, after the start of the second: $after"
grep ERROR "$dir/out" | sed "s,$dir/shared/,,"
echo "columns after the ALTER TABLE that failed: $columns (it began with 1)"
[ "$before" = 2 ] && [ "$after" = 0 ] && [ "$columns" = 2 ] && grep -q 'ERROR 6 (HY000)' "$dir/out"
