package tlgencmd

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string // in what is printed
	}{
		{"help", []string{"--help"}, exitOK, "usage: lab tlgen"},
		{"help after other flags", []string{"--proto", "x", "-h"}, exitOK, "usage: lab tlgen --proto DIR --tl FILE... [--base SET] --release NAME -o OUT"},
		{"nothing", nil, exitUsage, "--proto is missing"},
		{"no tl", []string{"--proto", "x"}, exitUsage, "--tl is missing"},
		{"no release", []string{"--proto", "x", "--tl", "y"}, exitUsage, "--release wants"},
		{"release of two words", []string{"--proto", "x", "--tl", "y", "--release", "a b"}, exitUsage, "--release wants"},
		{"no output", []string{"--proto", "x", "--tl", "y", "z", "--release", "a"}, exitUsage, "-o is missing"},
		{"unknown flag", []string{"--fast"}, exitUsage, "not defined: -fast"},
		{"no base", []string{
			"--proto", "testdata/small/proto", "--tl", "testdata/small/api.tl", "--base", "none",
			"--release", "a", "-o", "o",
		}, exitFailure, "--base none: no shipped release and no file; shipped are 0."},
		{"no folder", []string{"--proto", "none", "--tl", "y", "--release", "a", "-o", "o"}, exitFailure, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, c.code, Run(c.args, &out, &errs))
			if c.code == exitOK {
				out, errs = errs, out
			}
			require.Contains(t, errs.String(), c.out)
			require.Empty(t, out.String())
		})
	}
}

const (
	enum = "syntax = \"proto3\";\npackage p;\nenum TLConstructor { NONE = 0; A = 1; }\n"
	a    = "message A { string predicate_name = 1; TLConstructor constructor = 2; int32 x = 3; }\nmessage TL_a { A data2 = 1; }\n"
)

// What leaves no set behind: the code is 1, the reason is named, and no file is written.
func TestFatal(t *testing.T) {
	good := map[string]string{"p/a.proto": enum + a, "10.tl": "a#1 x:int = A;"}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"broken proto":  {map[string]string{"p/a.proto": "message {"}, "a.proto: line 1"},
		"proto2":        {map[string]string{"p/a.proto": enum, "p/b.proto": "package p;"}, `b.proto: syntax "", want proto3`},
		"no enum":       {map[string]string{"p/a.proto": "syntax = \"proto3\";"}, "enum TLConstructor"},
		"two enums":     {map[string]string{"p/b.proto": enum}, "in a.proto and in b.proto"},
		"message twice": {map[string]string{"p/b.proto": "syntax = \"proto3\"; package p;" + a}, "A stands in a.proto and in b.proto"},
		"broken tl":     {map[string]string{"10.tl": "a#1 x:int = A"}, "10.tl: line 1"},
		"no layer":      {map[string]string{"10.tl": "// LAYER 0"}, "no layer 0"},
		"a set that contradicts itself": {
			map[string]string{"p/a.proto": enum +
				"message A { string predicate_name = 1; TLConstructor constructor = 2; int32 x = 3000; }\nmessage TL_a { A data2 = 1; }"},
			"field number 3000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := maps.Clone(good)
			maps.Copy(files, c.files)
			for name, text := range files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
			}
			var out bytes.Buffer
			file := filepath.Join(dir, "out.tls")
			args := []string{"--proto", filepath.Join(dir, "p"), "--tl", filepath.Join(dir, "10.tl"), "--release", "x", "-o", file}
			require.Equal(t, exitFailure, Run(args, &out, &out), out.String())
			require.Contains(t, out.String(), c.want)
			require.NoFileExists(t, file)
		})
	}
}

// A set of one layer serves clients of all others badly, so the report says so.
func TestOneLayerWarns(t *testing.T) {
	for warned, layers := range map[bool][]string{true: {"layer10.tl"}, false: {"layer10.tl", "api.tl"}} {
		args := []string{"--proto", "testdata/small/proto", "--release", "small", "-o", filepath.Join(t.TempDir(), "small.tls")}
		for _, name := range layers {
			args = append(args, "--tl", "testdata/small/"+name)
		}
		var out, errs bytes.Buffer
		require.Equal(t, exitOK, Run(args, &out, &errs), errs.String())
		require.Equal(t, warned, bytes.Contains(out.Bytes(), []byte("WARNING: the set has one layer. ")), layers)
	}
}

// A set ends at the release's own layer, however new the TL files are: before the first layer in which a constructor has a
// version that is not registered, while older ones are. What is new altogether the server does not know, and does not send.
func TestNewerLayerThanTheRelease(t *testing.T) {
	const (
		way   = "while older ones are; the set ends before the layer of these\n"
		later = "more such versions in later layers\n"
		gaps  = "while newer ones are; clients of these layers cannot be sent the constructor\n"
		early = "but for later layers than the set; they are read, and sent to no client\n"
	)
	two := "syntax = \"proto3\";\npackage p;\nenum TLConstructor { NONE = 0; A = 1; A4 = 4; C = 6; }\n" + a +
		"message TL_c { A data2 = 1; }\n"
	for _, c := range []struct {
		name  string
		proto string
		files map[int]string // layer -> text
		ctors []string       // of the set
		want  []string       // in the report
	}{
		{
			"as new as the release", enum + a,
			map[int]string{9: "b#3 = A;", 10: "a#1 x:int = A;"},
			[]string{"tlset x layers 9-10", "ctor a#00000001 10 x:int = A"},
			[]string{
				"table set x, layers 9-10\n", "It ends at layer 10, the newest of the TL schemas. Clients of later layers get the constructors of layer 10.\n",
				"     0 versions of constructors that are not registered in TLConstructor, " + way, "     0 " + later, "     0 constructors that",
			},
		},
		{
			"newer, and nothing new in the way", enum + a,
			map[int]string{10: "a#1 x:int = A;", 11: "a#1 x:int = A; b#3 = A;\n---functions---\na#5 = A;"},
			[]string{"tlset x layers 10-11", "ctor a#00000001 10-11 x:int = A"},
			[]string{"It ends at layer 11, the newest of the TL schemas."},
		},
		{
			"newer", enum + a,
			map[int]string{10: "a#1 x:int = A;", 11: "a#2 x:int y:int = A; b#3 = A;", 12: "a#4 x:int = A; b#5 = A;"},
			[]string{"tlset x layers 10-10", "ctor a#00000001 10 x:int = A"},
			[]string{
				"table set x, layers 10-10\n",
				"It ends at layer 10, the TL schemas at 12: TLConstructor lacks versions of constructors that layer 11 has (listed below: 1), and has older ones. " +
					"Either the release is older than layer 11, or it lacks these alone. Clients of later layers get the constructors of layer 10.\n",
				"\n# 1 versions of constructors that are not registered in TLConstructor, " + way + "a#00000002: layers 11\n",
				"\n# 1 " + later + "a#00000004: layers 12\n",
			},
		},
		{
			"layers that no file tells of", enum + a,
			map[int]string{8: "b#3 = A;", 10: "a#1 x:int = A;", 20: "a#2 = A;"},
			[]string{"tlset x layers 8-10", "ctor a#00000001 10 x:int = A"},
			[]string{"It ends at layer 10, the TL schemas at 20: TLConstructor lacks versions of constructors that layer 20 has (listed below: 1)"},
		},
		{
			"with a constructor of a later layer", two,
			map[int]string{10: "a#1 x:int = A;", 11: "a#2 x:int = A; c#6 = A;"},
			[]string{"tlset x layers 10-10", "ctor a#00000001 10 x:int = A", "ctor c#00000006 - = A"},
			[]string{"It ends at layer 10, the TL schemas at 11:", "\n# 1 constructors that are registered in TLConstructor, " + early + "c#00000006: layers 11\n"},
		},
		{
			"with a gap", two,
			map[int]string{10: "a#1 x:int = A;", 11: "a#2 x:int = A;", 12: "a#4 = A;"},
			[]string{"tlset x layers 10-12", "ctor a#00000004 12 = A", "ctor a#00000001 10 x:int = A"},
			[]string{"It ends at layer 12, the newest of the TL schemas.", "\n# 1 versions of constructors that are not registered in TLConstructor, " + gaps + "a#00000002: layers 11\n"},
		},
		{
			"back again", enum + a,
			map[int]string{10: "a#2 x:int = A;", 11: "a#1 x:int = A;", 12: "a#2 x:int = A;"},
			[]string{"tlset x layers 10-11", "ctor a#00000001 11 x:int = A"},
			[]string{"It ends at layer 11, the TL schemas at 12:", way + "a#00000002: layers 10,12\n"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a.proto"), []byte(c.proto), 0o644))
			args := []string{"--proto", dir, "--release", "x", "-o", filepath.Join(dir, "out.tls")}
			for layer, text := range c.files {
				name := filepath.Join(dir, strconv.Itoa(layer)+".tl")
				require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
				args = append(args, "--tl", name)
			}
			var out, errs bytes.Buffer
			require.Equal(t, exitOK, Run(args, &out, &errs), errs.String())
			for _, want := range c.want {
				require.Contains(t, out.String(), want)
			}
			set, err := os.ReadFile(filepath.Join(dir, "out.tls"))
			require.NoError(t, err)
			var have []string
			for line := range strings.Lines(string(set)) {
				if strings.HasPrefix(line, "tlset ") || strings.HasPrefix(line, "ctor ") {
					have = append(have, strings.TrimSpace(line))
				}
			}
			require.Equal(t, c.ctors, have)
		})
	}
}

func TestLayerOf(t *testing.T) {
	for name, want := range map[string]int{
		"api.tl": 0, "layer223.tl": 223, "/schemas9/scheme_181.tl": 181, "v1.2.tl": 0, "20260101.tl": 0,
	} {
		require.Equal(t, want, layerOf(name, &tltext.Schema{}), name)
	}
	require.Equal(t, 5, layerOf("layer223.tl", &tltext.Schema{Layer: 5}), "the comment is what counts")
}

// Which version is written for which layer.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[int]string // layer -> text
		want  map[uint32]string
	}{
		{"one layer", map[int]string{5: "a#1 = A;"}, map[uint32]string{1: "5"}},
		{"until the next file", map[int]string{5: "a#1 = A;", 9: "a#2 = A;"}, map[uint32]string{1: "5-8", 2: "9"}},
		{"unchanged", map[int]string{5: "a#1 = A;", 7: "a#1 = A;", 9: "a#1 = A;"}, map[uint32]string{1: "5-9"}},
		{"removed", map[int]string{5: "a#1 = A; b#2 = A;", 9: "a#1 = A;"}, map[uint32]string{1: "5-9", 2: "5-8"}},
		{"back again", map[int]string{5: "a#1 = A;", 7: "a#2 = A;", 9: "a#1 = A;"}, map[uint32]string{1: "5-6,9", 2: "7-8"}},
		{"core", map[int]string{0: "a#1 = A;", 5: "b#2 = A;"}, map[uint32]string{1: "*", 2: "5"}},
		{"core in a layer too", map[int]string{0: "a#1 = A;", 5: "a#1 = A;"}, map[uint32]string{1: "*"}},
		{"core twice", map[int]string{0: "a#1 = A; a#2 = A;", 5: ""}, map[uint32]string{1: "*", 2: "-"}},
		{"core overruled by one of two", map[int]string{0: "a#1 = A;", 5: "a#1 = A;", 7: "a#2 = A;"}, map[uint32]string{1: "5-6", 2: "7"}},
		{"core overruled", map[int]string{0: "a#1 = A;", 5: "a#2 = A;"}, map[uint32]string{1: "-", 2: "5"}},
		{"two in a layer", map[int]string{5: "a#1 = A; a#2 = A;"}, map[uint32]string{1: "5", 2: "-"}},
		{"method and constructor", map[int]string{5: "a#1 = A;\n---functions---\nb#1 = A;"}, map[uint32]string{1: "5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var files []tlFile
			for layer, text := range c.files {
				schema, err := tltext.Parse([]byte(text))
				require.NoError(t, err)
				files = append(files, tlFile{layer: layer, schema: schema})
			}
			all, err := versions(files, &report{})
			require.NoError(t, err)
			have := map[uint32]string{}
			for _, v := range all {
				have[v.def.ID] = v.layers.String()
			}
			require.Equal(t, c.want, have)
		})
	}
	_, err := versions([]tlFile{{schema: &tltext.Schema{}}}, &report{})
	require.ErrorContains(t, err, "no TL file tells its layer")
}

// The choice among several fields for one TL name.
func TestField(t *testing.T) {
	w := wire{fields: map[string]map[string]tlset.Field{"M": {}}}
	for name, kind := range map[string]string{
		"a": "int32", "b": "int32", "b_INT64": "int64", "b_FLAGINT32": "wrap.int32", "data_FLAGBYTES": "bytes", "size2": "int64",
		"srp_B": "bytes", "peer_PEER": "msg.Peer", "set_MESSAGES_STICKERSET": "msg.messages_StickerSet", "yes_BOOL": "msg.Bool",
		"yes_FLAGBOOLEAN": "bool", "pq": "string",
	} {
		w.fields["M"][name] = tlset.Field{Name: name, Kind: kind}
	}
	w.fields["M"]["ids_VECTORINT32"] = tlset.Field{Kind: "int32", Repeated: true}
	for _, c := range []struct {
		name, typ string
		optional  bool
		field     string // empty: none
		table     string // the type in the set, when it is another
	}{
		{"a", "int", false, "a", ""},
		{"a", "int", true, "", ""},
		{"a", "long", false, "", ""},
		{"b", "int", false, "", ""}, // b has variants, so the plain one is the server's own
		{"b", "int", true, "b_FLAGINT32", ""},
		{"b", "long", false, "b_INT64", ""},
		{"data", "bytes", false, "data_FLAGBYTES", ""},
		{"data", "bytes", true, "data_FLAGBYTES", ""},
		{"size", "long", false, "size2", ""},
		{"srp_B", "bytes", false, "srp_B", ""},
		{"peer", "Peer", true, "peer_PEER", ""},
		{"set", "messages.StickerSet", false, "set_MESSAGES_STICKERSET", ""},
		{"yes", "Bool", false, "yes_BOOL", ""},
		{"yes", "true", true, "yes_FLAGBOOLEAN", ""},
		{"yes", "true", false, "", ""},
		{"pq", "bytes", false, "pq", "string"},
		{"ids", "Vector<int>", true, "ids_VECTORINT32", ""},
		{"ids", "Vector<long>", false, "", ""},
		{"a", "%A", false, "", ""},
		{"a", "Vector<Vector<int>>", false, "", ""},
	} {
		f, table, err := w.field("M", c.name, c.typ, c.optional)
		require.Equal(t, c.field, f, "%s:%s", c.name, c.typ)
		require.Equal(t, c.field == "", err != nil)
		if err == nil && c.table == "" {
			c.table = c.typ
		}
		require.Equal(t, c.table, table)
	}
}
