package tltext_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
)

// Definitions as core.telegram.org publishes them: their ids are what the sums must give.
const sample = `// LAYER 223
/* built-in types
   first */
int ? = Int;
int128 4*[ int ] = Int128;
vector#1cb5c415 {t:Type} # [ t ] = Vector t;

boolTrue#997275b5 = Bool; boolFalse#bc799737 = Bool;
inputPeerUser#dde8a54c user_id:long access_hash:long = InputPeer; // two longs
inputPhoneContact#6a1dc4be flags:# client_id:long phone:string
	first_name:string last_name:string note:flags.0?TextWithEntities = InputContact;
future_salts#ae500895 req_msg_id:long now:int salts:vector<future_salt> = FutureSalts;
msg_container messages:vector<%Message> = MessageContainer;
upload.fileCdnRedirect#f18cda44 dc_id:int file_token:bytes encryption_key:bytes encryption_iv:bytes
	file_hashes:Vector<FileHash> = upload.File;

---functions---
invokeAfterMsg#cb9f372d {X:Type} msg_id:long query:!X = X;
users.getUsers#0d91a548 id:Vector<InputUser> = Vector<User>;
messages.setTyping#58943ee2 flags:# peer:InputPeer top_msg_id:flags.0?int action:SendMessageAction = Bool;
---types---
true#3fedd339 = True;
`

func TestParse(t *testing.T) {
	s, err := tltext.Parse([]byte(sample))
	require.NoError(t, err)
	require.Equal(t, 223, s.Layer)
	byName := map[string]tltext.Definition{}
	for _, d := range s.Definitions {
		byName[d.Name] = d
		if d.Given {
			require.Equalf(t, d.ID, d.Sum, "%s: %08x", d.Name, d.Sum)
		}
	}
	require.Len(t, byName, 14)
	require.True(t, byName["int"].Builtin)
	require.True(t, byName["int128"].Builtin)
	require.True(t, byName["vector"].Builtin)
	require.Equal(t, "Vector<t>", byName["vector"].Result)
	require.Equal(t, []tltext.Param{
		{Name: "flags", Type: "#"},
		{Name: "client_id", Type: "long"},
		{Name: "phone", Type: "string"},
		{Name: "first_name", Type: "string"},
		{Name: "last_name", Type: "string"},
		{Name: "note", Type: "flags.0?TextWithEntities"},
	}, byName["inputPhoneContact"].Params)
	require.Equal(t, 10, byName["inputPhoneContact"].Line)
	require.False(t, byName["msg_container"].Given)
	require.Equal(t, []string{"X"}, byName["invokeAfterMsg"].Generic)
	require.Equal(t, "X", byName["invokeAfterMsg"].Result)
	require.True(t, byName["users.getUsers"].Method)
	require.Equal(t, "Vector<User>", byName["users.getUsers"].Result)
	require.False(t, byName["true"].Method)

	word, bit, typ := byName["inputPhoneContact"].Params[5].Condition()
	require.Equal(t, []string{"flags", "0", "TextWithEntities"}, []string{word, bit, typ})
}

// A bit without content has no part in the id; bytes count as string.
func TestSum(t *testing.T) {
	sum := func(text string) uint32 {
		s, err := tltext.Parse([]byte(text))
		require.NoError(t, err)
		return s.Definitions[0].Sum
	}
	require.Equal(t, sum("a flags:# x:flags.0?string = A;"), sum("a flags:# y:flags.1?true x:flags.0?bytes = A;"))
	require.Equal(t, sum("a x:string = A;"), sum("a#1 x:bytes = A;"))
	require.NotEqual(t, sum("a x:string = A;"), sum("a x:int = A;"))
}

func TestParseRejects(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no end":            {"a = A", "line 1: definition does not end"},
		"no end below":      {"a = A;\n\nb\n= B", "line 3: definition does not end"},
		"open comment":      {"/* a\n", "comment does not end"},
		"slash":             {"a / = A;", "begins no comment"},
		"section":           {"\n---methods---\n", `line 2: no section "---methods---"`},
		"section inside":    {"a\n---types---\n", "inside a definition"},
		"two layers":        {"// LAYER 5\n// LAYER 6\n", "layer 6 in a file of layer 5"},
		"layer zero":        {"// LAYER 0\n", "no layer 0"},
		"layer too high":    {"// LAYER 99999\n", "no layer 99999"},
		"empty":             {"a = A;;", "empty definition"},
		"name":              {"a-b = A;", "want name#id"},
		"long id":           {"a#123456789 = A;", "want name#id"},
		"no type":           {"a;", "no = Type"},
		"nothing after":     {"a =;", "want one type"},
		"two types":         {"a = A B;", "want one type"},
		"parameter":         {"a b = A;", "want name:type"},
		"parameter's type":  {"a b:Vector<C = A;", "no type"},
		"space in type":     {"a b:Vector< C > = A;", "no type"},
		"bit":               {"a b:flags.100?C = A;", "no type"},
		"count alone":       {"a # = A;", "a # without a name"},
		"parameter twice":   {"a b:int b:int = A;", "two parameters b"},
		"nested too deep":   {"a b:" + strings.Repeat("Vector<", 20) + "C" + strings.Repeat(">", 20) + " = A;", "no type"},
		"too many words":    {"a " + strings.Repeat("b:int ", 600) + "= A;", "more than 512 words"},
		"generic behind":    {"a b:int {X:Type} = A;", "{X:Type} behind a parameter"},
		"generic not Type":  {"a {X:int} = A;", "want name:type"},
		"condition of none": {"a b:flags.0? = A;", "no type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tltext.Parse([]byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := tltext.Parse(make([]byte, 17<<20))
	require.ErrorContains(t, err, "MiB")
}

// Any text is a schema or an error, and what was read, written again, is the same.
func FuzzParseTL(f *testing.F) {
	f.Add(sample)
	f.Add("a#1 {X:Type} b:flags.1?vector<%C> = Vector D;")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := tltext.Parse([]byte(text))
		if err != nil {
			return
		}
		for _, d := range s.Definitions {
			if d.Builtin {
				continue
			}
			again, err := tltext.Parse([]byte(print(d)))
			require.NoError(t, err, print(d))
			require.Len(t, again.Definitions, 1)
			g := again.Definitions[0]
			require.Equal(t, d.Params, g.Params)
			require.Equal(t, d.Result, g.Result)
			require.Equal(t, d.ID, g.ID)
		}
	})
}

func print(d tltext.Definition) string {
	var b strings.Builder
	b.WriteString(d.Name)
	if d.Given {
		b.WriteString("#" + hex(d.ID))
	}
	for _, g := range d.Generic {
		b.WriteString(" {" + g + ":Type}")
	}
	for _, p := range d.Params {
		b.WriteString(" " + p.Name + ":" + p.Type)
	}
	return b.String() + " = " + d.Result + ";"
}

func hex(id uint32) string {
	const digits = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = digits[id>>(28-4*i)&15]
	}
	return string(b[:])
}
