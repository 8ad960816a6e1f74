package tl_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// What is embedded is what can be reviewed; go generate makes it so.
func TestEmbeddedIsFresh(t *testing.T) {
	texts, err := filepath.Glob("schema/*.tls")
	require.NoError(t, err)
	require.Len(t, texts, 2)
	for _, name := range append(texts, "testdata/0.139.4.tls") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		set, err := tlset.Parse(text)
		require.NoError(t, err)
		require.Equal(t, filepath.Base(name), set.Release+".tls")

		var normal bytes.Buffer
		set.Normalise()
		require.NoError(t, set.WriteText(&normal))
		require.True(t, bytes.Equal(text, normal.Bytes()), "%s is not in normal form: run tlgen fmt", name)

		if filepath.Dir(name) != "schema" {
			continue
		}
		packed, err := os.ReadFile(name + ".zst")
		require.NoError(t, err)
		unpacked, err := tlset.Unpack(packed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, unpacked), "%s is stale: run go generate", name)
		require.Less(t, len(packed), 150_000)
	}
}

// The hash is the identity of a set: two programs that print the same one agree on every field number.
func TestIdentity(t *testing.T) {
	for release, want := range map[string]struct {
		min, max int
		hash     string
	}{
		"0.223.1": {139, 223, "60be341e46043fde40092c4fa47de4ddb0874cc8b0ee66525701fb0d1b46b2f4"},
		"0.222.3": {139, 222, "4fe402dda095ef32ee09496423dc9e1582d3220b11109fe72e14f06efaf8ad6a"},
		"0.139.4": {133, 139, "22f7ab03fdbbdce184dd5457bf90e846e8781a3236c19a31f0b7108d7b0e061f"},
	} {
		s := load(t, release)
		require.Equal(t, release, s.Name())
		require.Equal(t, want.min, s.MinLayer())
		require.Equal(t, want.max, s.MaxLayer())
		require.Equal(t, want.hash, s.Hash())
	}
	require.Len(t, tl.Releases(), 26)
	require.Equal(t, []string{"0.223.1", "0.223.0", "0.222.3"}, tl.Releases()[:3])
	_, err := tl.Load("0.1")
	require.ErrorContains(t, err, "0.223.1, 0.223.0, 0.222.3")
	_, err = tl.Open("testdata/none.tls")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// One release takes less than 8 MiB. How long it takes to load is
// BenchmarkLoad's to tell.
func TestLoadBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes it")
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	_, err := tl.Load(tl.Default) // what the first use of a library costs is not the set's
	require.NoError(t, err)
	before := heap()
	s, err := tl.Load(tl.Default)
	require.NoError(t, err)
	grown := int64(heap()) - int64(before)
	runtime.KeepAlive(s)
	t.Logf("heap grown by %d KiB", grown>>10)
	require.Less(t, grown, int64(8<<20))
}

func TestMethods(t *testing.T) {
	s := load(t, tl.Default)

	m := s.Method(0x8d52a951)
	require.Equal(t, "auth.signIn", m.Name)
	require.Equal(t, "/mtproto.RPCAuthorization/auth_signIn", m.Path)
	require.Equal(t, "RPCAuthorization", m.Group)
	require.Equal(t, "auth.Authorization", m.Result)
	require.Equal(t, "TL_auth_signIn", m.Request.Name())
	require.Equal(t, "auth_Authorization", m.Reply.Name())
	require.False(t, m.Wrapper())

	versions := s.MethodByName("auth.signIn")
	require.Len(t, versions, 2)
	require.Same(t, m, versions[0], "newest first")
	require.Equal(t, uint32(0xbcd51581), versions[1].ID)

	ids := func(name string) (ids []uint32) {
		for _, m := range s.MethodByName(name) {
			ids = append(ids, m.ID)
		}
		return ids
	}
	require.Equal(t, []uint32{0xefea3803, 0x2e1ee318}, ids("langpack.getStrings"), "the version of no known layer last")
	require.Equal(t, []uint32{0x545cd15a, 0xfe05dc9a, 0xfbf2340a}, ids("messages.sendMessage")[:3])

	require.True(t, s.Method(0xda9b0d0d).Wrapper())
	require.Equal(t, "Vector_User", s.MethodByName("users.getUsers")[0].Reply.Name())
	require.Equal(t, "Vector_Messages_SearchCounter", s.MethodByName("messages.getSearchCounters")[0].Reply.Name())
	require.Nil(t, s.Method(1))
	require.Empty(t, s.MethodByName("auth.nothing"))

	groups := s.Groups()
	require.True(t, slices.IsSorted(groups))
	require.Contains(t, groups, "RPCAuthorization")
	require.NotContains(t, groups, "")
}

func TestNames(t *testing.T) {
	s := load(t, tl.Default)
	for field, want := range map[string]int{"predicate_name": 1, "constructor": 2} {
		n, ok := s.FieldNumber("Updates", field)
		require.True(t, ok)
		require.Equal(t, want, n)
	}
	n, ok := s.FieldNumber("TL_initConnection", "api_id")
	require.True(t, ok)
	require.Equal(t, 3, n)
	_, ok = s.FieldNumber("Updates", "nothing")
	require.False(t, ok)
	_, ok = s.FieldNumber("Nothing", "constructor")
	require.False(t, ok)
	require.Nil(t, s.Message("Nothing"))
	require.Equal(t, "Updates", s.Message("Updates").Name())

	require.Equal(t, "boolTrue", s.Predicate("Bool", unhex(t, "0a08626f6f6c54727565")))
	require.Equal(t, "boolTrue", s.Predicate("Bool", unhex(t, "10b5ebc9cbf9ffffffff01")), "by constructor")
	require.Empty(t, s.Predicate("Bool", nil))
	require.Empty(t, s.Predicate("Bool", unhex(t, "0a0475736572")))
	require.Empty(t, s.Predicate("TL_ping", nil))
}

func TestCompileRejects(t *testing.T) {
	const head = "tlset x layers 1-9\nunion A\n\t3 f int32\nunion B\n"
	for name, text := range map[string]string{
		"unknown union":       "ctor a#1 1 = C\n",
		"unknown field":       "ctor a#1 1 g:int = A\n",
		"wrong kind":          "ctor a#1 1 f:long = A\n",
		"wrong wrapper":       "ctor a#1 1 flags:# f:flags.0?int = A\n",
		"no flags word":       "ctor a#1 1 f:flags.0?true = A\n",
		"same id":             "ctor a#1 1 = A\nctor b#1 1 = B\n",
		"two types":           "ctor a#1 1 = A\nctor a#2 2 = B\n",
		"two versions":        "ctor a#1 1-3 = A\nctor a#2 3 = A\n",
		"two params, a field": "ctor a#1 1 f:int g>f:int = A\n",
		"unknown request":     "method a.b#1 1 TL_a_b - = A\n",
		"unknown result":      "request TL_a_b\nmethod a.b#1 1 TL_a_b - = C\n",
		"unknown vector":      "request TL_a_b\nmethod a.b#1 1 TL_a_b - = Vector<A>\n",
		"message twice":       "union A\n",
		"number too high":     "union C\n\t5000 f int32\n",
		"malformed path":      "request TL_a_b\nmethod a.b#1 1 TL_a_b path = A\n",
		"bad box":             "box TL_a C\n",
		"bad vector":          "vector Vector_C bool\n",
	} {
		t.Run(name, func(t *testing.T) {
			set, err := tlset.Parse([]byte(head + text))
			require.NoError(t, err)
			_, err = tl.Compile(set)
			require.Error(t, err)
			t.Log(err)
		})
	}
	set, err := tlset.Parse([]byte(head + "ctor a#1 1-9 f:int = A\n"))
	require.NoError(t, err)
	_, err = tl.Compile(set)
	require.NoError(t, err)
}
