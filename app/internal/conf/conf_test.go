package conf

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/zrpc"
)

type sample struct {
	zrpc.RpcServerConf
	Mysql struct {
		DSN    string `json:"DSN" example:"root:@tcp(127.0.0.1:3306)/teamgram"`
		Active int    `json:",default=64"`
	}
	Cache []struct {
		Host string
		Kind string `json:",default=a,options=a|b"`
	}
	Routes map[string]string `json:",optional"`
}

func (*sample) Examples() map[string]string {
	return map[string]string{"ListenOn": "127.0.0.1:20450"}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const good = "Name: a\nListenOn: 127.0.0.1:1\n"

func TestErrorsNameTheKeyAndAWayOut(t *testing.T) {
	for _, tc := range []struct{ name, text, key, message string }{
		{
			"missing scalar", "Name: a\nMysql: {DSN: x}\nCache: [{Host: a}]\n", "ListenOn",
			"ListenOn is missing: set it, for example ListenOn: 127.0.0.1:20450",
		},
		{
			"missing nested", good + "Mysql: {Active: 1}\nCache: [{Host: a}]\n", "Mysql.DSN",
			"Mysql.DSN is missing: set it, for example DSN: root:@tcp(127.0.0.1:3306)/teamgram",
		},
		{
			"missing in a list", good + "Mysql: {DSN: x}\nCache: [{Hos: a}]\n", "Cache[0].Host",
			"Cache[0].Host is missing: set it, for example Host: 127.0.0.1:6379",
		},
		{
			"missing list", good + "Etcd: {Key: k}\nMysql: {DSN: x}\nCache: [{Host: a}]\n", "Etcd.Hosts",
			"Etcd.Hosts is missing: set it, for example Hosts: [127.0.0.1:2379]",
		},
		{
			"number for a string", good + "Mysql: {DSN: 1}\nCache: [{Host: a}]\n", "Mysql.DSN",
			"Mysql.DSN is a number, not a string: set it, for example DSN: root:@tcp(127.0.0.1:3306)/teamgram",
		},
		{
			"text for a number", good + "Mysql: {DSN: x, active: many}\nCache: [{Host: a}]\n", "Mysql.Active",
			"Mysql.Active has a value of the wrong type (many): give a whole number",
		},
		{
			"text for yes or no", good + "Mysql: {DSN: x}\nCache: [{Host: a}]\nHealth: many\n", "Health",
			"Health has a value of the wrong type (many): give true or false",
		},
		{
			"a number for a time", good + "Mysql: {DSN: x}\nCache: [{Host: a}]\nShutdown: {WaitTime: [5]}\n", "Shutdown.WaitTime",
			"Shutdown.WaitTime has a value of the wrong type ([5]): give a time, as 5s",
		},
		{
			"not one of the options", good + "Mysql: {DSN: x}\nCache: [{Host: a}]\nMode: fast\n", "Mode",
			`Mode is fast: correct it (value "fast" is not defined in options "[dev test rt pre pro]")`,
		},
		{
			"not one of the options, in a list", good + "Mysql: {DSN: x}\nCache: [{Host: secret, Kind: c}]\n", "Cache",
			`Cache has a value that cannot be used: correct it (value "c" is not defined in options "[a b]")`,
		},
		{
			"out of range", good + "Mysql: {DSN: x}\nCache: [{Host: a}]\nCpuThreshold: 2000\n", "CpuThreshold",
			"CpuThreshold is 2000: correct it (wrong number range setting)",
		},
		{
			"not a duration", good + "Mysql: {DSN: x}\nCache: [{Host: a}]\nShutdown: {WaitTime: soon}\n", "Shutdown.WaitTime",
			`Shutdown.WaitTime is soon: correct it (time: invalid duration "soon")`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(write(t, "c.yaml", tc.text), new(sample))
			var keyErr *KeyError
			require.True(t, errors.As(err, &keyErr), "%v", err)
			require.Equal(t, tc.key, keyErr.Key)
			require.Equal(t, tc.message, keyErr.Error())
		})
	}
}

func TestUnknownKeysAreWarnings(t *testing.T) {
	var c sample
	warnings, err := Load(write(t, "c.yaml", good+`
mysql: {dsn: x, Activ: 3, Addr: y}
Cache: [{Host: a, Hostt: b}]
Routes: {anything: goes}
Etdc: {Hosts: [a]}
`), &c)
	require.NoError(t, err)
	require.Equal(t, "x", c.Mysql.DSN, "keys are matched without regard to case")
	require.Equal(t, []string{
		"config key Cache.Hostt is not known and has no effect (nearest known key: Cache.Host)",
		"config key Etdc is not known and has no effect (nearest known key: Etcd)",
		"config key mysql.Activ is not known and has no effect (nearest known key: mysql.Active)",
		"config key mysql.Addr is not known and has no effect (known here: Active, DSN)",
	}, warnings)
}

// legacy is a sample whose file may hold keys of another program.
type legacy sample

func (*legacy) Unneeded() map[string]string {
	return map[string]string{"Mysql.Addr": "the DSN has it", "KV": "no use", "Old.Key": "no use"}
}

// Keys that are known and not needed make no warnings, which are errors in a log.
func TestUnneededKeysAreNotes(t *testing.T) {
	path := write(t, "c.yaml", good+"mysql: {DSN: x, addr: y, Addrr: z}\nCache: [{Host: a}]\nKV: [{Host: b}]\n")
	var c legacy
	warnings, err := Load(path, &c)
	require.NoError(t, err)
	require.Equal(t, []string{"config key mysql.Addrr is not known and has no effect (known here: Active, DSN)"}, warnings)
	require.Equal(t, []string{
		"config key KV is not needed: no use",
		"config key Mysql.Addr is not needed: the DSN has it",
	}, Notes(path, &c))
	require.Empty(t, Notes(path+".yaml", &c))
}

func TestFormats(t *testing.T) {
	for name, text := range map[string]string{
		"c.json": `{"Name":"a","ListenOn":"b","Mysql":{"DSN":"x"},"Cache":[{"Host":"h"}],"X":1}`,
		"c.toml": "Name='a'\nListenOn='b'\nX=1\n[Mysql]\nDSN='x'\n[[Cache]]\nHost='h'\n",
		"c.yml":  "Name: a\nListenOn: b\nMysql: {DSN: x}\nCache: [{Host: h}]\nX: 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			var c sample
			warnings, err := Load(write(t, name, text), &c)
			require.NoError(t, err)
			require.Len(t, warnings, 1)
			require.Equal(t, "h", c.Cache[0].Host)
			require.EqualValues(t, 2000, c.Timeout, "go-zero's defaults apply")
		})
	}
}

func TestUnreadableFiles(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), new(sample))
	require.ErrorContains(t, err, "name another with -f")
	_, err = Load(write(t, "c.ini", ""), new(sample))
	require.ErrorContains(t, err, "use .yaml")
	_, err = Load(write(t, "c.yaml", "Name: [a\n"), new(sample))
	require.ErrorContains(t, err, "line 1")
}
