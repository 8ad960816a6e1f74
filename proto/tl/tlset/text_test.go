package tlset_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

const sample = `tlset 0.1 layers 139-223

box TL_user User
union User
	3 id int64
	4 first_name wrap.string
request TL_users_get
	3 id int64 repeated
vector Vector_User msg.User

ctor user#00000002 150-223 flags:# id:long name>first_name:flags.0?string = User
ctor user#00000001 139-142,144 id:long = User
ctor userNone#0000000a * = User
ctor userOld#0000000b - = User

method users.get#000000ff 122-228 TL_users_get /mtproto.RPCUsers/users_get id:Vector<long> = Vector<User>
method users.get#000000fe 100 TL_users_get - = Vector<User>
`

func TestText(t *testing.T) {
	set, err := tlset.Parse([]byte(sample))
	require.NoError(t, err)
	require.Equal(t, "0.1", set.Release)
	require.Equal(t, []tlset.Param{
		{Name: "flags", Type: "#"},
		{Name: "id", Field: "id", Type: "long"},
		{Name: "name", Field: "first_name", Type: "flags.0?string"},
	}, set.Constructors[0].Params)
	require.Equal(t, tlset.Layers{{First: 139, Last: 142}, {First: 144, Last: 144}}, set.Constructors[1].Layers)
	require.Equal(t, tlset.EveryLayer, set.Constructors[2].Layers)
	require.Empty(t, set.Constructors[3].Layers)
	require.Empty(t, set.Methods[1].Path)

	var out bytes.Buffer
	require.NoError(t, set.WriteText(&out))
	require.Equal(t, sample, out.String())

	hash := set.Hash()
	set.Normalise()
	require.Equal(t, hash, set.Hash(), "order does not matter")
	set.Messages[1].Fields[0].Number = 9
	require.NotEqual(t, hash, set.Hash())

	packed, err := tlset.Pack([]byte(sample))
	require.NoError(t, err)
	text, err := tlset.Unpack(packed)
	require.NoError(t, err)
	require.Equal(t, sample, string(text))
}

func TestTextRejects(t *testing.T) {
	for name, text := range map[string]string{
		"empty":             "",
		"no header":         "union A\n",
		"header layers":     "tlset x layers 5\x00\n",
		"every layer":       "tlset x layers *\n",
		"unknown word":      "tlset x layers 1-2\nmessage A\n",
		"field alone":       "tlset x layers 1-2\n\t1 a int32\n",
		"field of vector":   "tlset x layers 1-2\nvector V int32\n\t1 a int32\n",
		"field number":      "tlset x layers 1-2\nunion A\n\tx a int32\n",
		"fields descend":    "tlset x layers 1-2\nunion A\n\t4 a int32\n\t3 b int32\n",
		"field label":       "tlset x layers 1-2\nunion A\n\t4 a int32 optional\n",
		"vector kind":       "tlset x layers 1-2\nvector V\n",
		"box union":         "tlset x layers 1-2\nbox V\n",
		"ctor id":           "tlset x layers 1-2\nctor a#xyz 1 = A\n",
		"ctor without id":   "tlset x layers 1-2\nctor a 1 = A\n",
		"ctor layers":       "tlset x layers 1-2\nctor a#1 2-1 = A\n",
		"overlapping":       "tlset x layers 1-2\nctor a#1 1-5,3 = A\n",
		"ctor without type": "tlset x layers 1-2\nctor a#1 1\n",
		"two types":         "tlset x layers 1-2\nctor a#1 1 = A B\n",
		"param":             "tlset x layers 1-2\nctor a#1 1 p = A\n",
		"two fields":        "tlset x layers 1-2\nctor a#1 1 p>q>r:int = A\n",
		"no field":          "tlset x layers 1-2\nctor a#1 1 p>:int = A\n",
		"method":            "tlset x layers 1-2\nmethod a#1 1 TL_a\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tlset.Parse([]byte(text))
			require.ErrorContains(t, err, "table set:")
		})
	}
	_, err := tlset.Unpack([]byte{0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3})
	require.Error(t, err)
}

func TestLayers(t *testing.T) {
	l, err := tlset.ParseLayers("139-142,144")
	require.NoError(t, err)
	require.True(t, l.Contains(140))
	require.False(t, l.Contains(143))
	require.Equal(t, "141-142,144", l.Clip(141, 200).String())
	require.Equal(t, "-", l.Clip(145, 200).String())
	require.Equal(t, "*", tlset.EveryLayer.Clip(1, 2).String())
	require.True(t, tlset.EveryLayer.Contains(7))
}

// Any text is a set or an error, and a set written and read again is the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := tlset.Parse(text)
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		require.NoError(t, set.WriteText(&first))
		again, err := tlset.Parse(first.Bytes())
		require.NoError(t, err)
		require.NoError(t, again.WriteText(&second))
		require.Equal(t, first.String(), second.String())
	})
}
