package conf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLineOfAKey(t *testing.T) {
	path := write(t, "c.yaml", `Name: a
mysql:
  dsn: x
Cache: [{Host: a}]
Clients:
  - Etcd:
      Hosts: &hosts
        - h
      Key: k
  - Etcd: {Hosts: *hosts}
IDMap:
  "/mtproto.RPCUsers": bff
`)
	for key, want := range map[string]int{
		"Name":                        1,
		"Mysql.DSN":                   3,
		"Mysql.Active":                2, // is not there: its parent is
		"Cache[0].Host":               4,
		"Clients[0].Etcd.Key":         9,
		"Clients[1].Etcd.Key":         10,
		"Clients[2].Etcd":             5,
		`IDMap["/mtproto.RPCUsers"]`:  12,
		`IDMap["/mtproto.RPCDrafts"]`: 11,
		"Name.Of.A.Scalar":            1,
		"None":                        0,
		"":                            0,
		"[":                           0,
	} {
		require.Equal(t, want, Line(path, key), key)
	}
	require.Equal(t, 2, Line(write(t, "c.json", "{\n\"Name\": \"a\"}"), "Name"))
	require.Zero(t, Line(write(t, "c.toml", "Name='a'\n"), "Name"))
	require.Zero(t, Line(write(t, "d.yaml", "Name: [\n"), "Name"))
	require.Zero(t, Line(path+".yaml", "Name"))
}
