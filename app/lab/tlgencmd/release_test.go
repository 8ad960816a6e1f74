package tlgencmd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/tlgencmd/printed"
	"github.com/tgsession/tgsession/app/lab/tlgencmd/tltext"
	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// shippedHash identifies the .proto files of 0.223.1.
const shippedHash = "60be341e46043fde40092c4fa47de4ddb0874cc8b0ee66525701fb0d1b46b2f4"

// olderBits lists the differences a single schema file cannot avoid: bits that were taken out of a text without a new id.
// Our tables keep them for older clients, as tlgen does when it is given the older files too (the thing of testdata/small).
var olderBits = map[string][]string{
	"stickerSet":                 {"animated", "videos"},
	"payments.getSavedStarGifts": {"exclude_limited"},
	"stickers.createStickerSet":  {"animated", "videos"},
}

// A release we ship, printed as .proto files and read again with the public schema of its newest layer, must come out
// as it went in: every constructor and method that both know, with the same fields, numbers and kinds.
func TestRebuildRelease(t *testing.T) {
	ours, err := tl.ReadSet("0.223.1")
	require.NoError(t, err)
	require.Equal(t, shippedHash, ours.Hash())

	dir := gotdSchemas(t)
	schemas, err := readSchemas([]string{filepath.Join(dir, "telegram.tl"), filepath.Join(dir, "mt.tl")})
	require.NoError(t, err)
	require.Equal(t, []int{223, 0}, []int{schemas[0].layer, schemas[1].layer})
	var rep report
	built, err := generate("rebuilt", parseAll(t, printed.Protos(ours)), schemas, &rep)
	require.NoError(t, err)
	require.Equal(t, shippedHash, built.Hash(), "the hash depends on the .proto files alone")
	require.Empty(t, rep.leftOut)
	require.Empty(t, rep.notes)

	want := describe(withoutBits(ours))
	compared := map[bool]int{}
	have := describe(built)
	for _, d := range slices.Concat(schemas[0].schema.Definitions, schemas[1].schema.Definitions) {
		w, known := want[d.ID]
		if !known {
			continue
		}
		h, ok := have[d.ID]
		if !ok {
			t.Errorf("%s#%08x is not in the built set", d.Name, d.ID)
			continue
		}
		compared[h.method]++
		if w != h {
			t.Errorf("%s#%08x\nwant %s\nhave %s", d.Name, d.ID, w.text, h.text)
		}
	}
	require.Equal(t, map[bool]int{false: 1580, true: 768}, compared, "constructors and methods")
	require.Len(t, have, 1580+768, "nothing but those")
	require.Empty(t, rep.unmapped)
	require.Empty(t, rep.bits)
	require.Len(t, rep.otherSum, 6) // texts that were edited after their ids were fixed
	require.Equal(t, []string{      // what the schema's publisher added by hand
		"bytes#e937bb82 (telegram.tl)",
		"inputPeerPhotoFileLocationLegacy#27d69997 (telegram.tl)",
		"inputStickerSetThumbLegacy#0dbaeae9 (telegram.tl)",
	}, rep.notRegistered)
}

// Given the schemas of several layers, the set writes for each of them what the release does.
func TestRebuildLayers(t *testing.T) {
	ours, err := tl.ReadSet("0.223.1")
	require.NoError(t, err)
	layers := []int{139, 140, 158, 181, 200, 214, 222, 223}
	var schemas []tlFile
	for _, layer := range layers {
		s, err := tltext.Parse([]byte(printTL(ours, layer)))
		require.NoError(t, err)
		schemas = append(schemas, tlFile{layer: s.Layer, schema: s})
	}
	var rep report
	built, err := generate("rebuilt", parseAll(t, printed.Protos(ours)), schemas, &rep)
	require.NoError(t, err)
	require.Empty(t, rep.unmapped)
	require.Empty(t, rep.notRegistered)
	want, have := describe(ours), describe(built)
	for id, h := range have {
		require.Equal(t, want[id], h, "%08x", id)
	}
	for _, layer := range layers {
		require.Equal(t, writes(ours, layer), writes(built, layer), "layer %d", layer)
	}
	require.Equal(t, writes(built, 214), writes(built, 221), "between two files the older one holds")
	require.Equal(t, []int{139, 223}, []int{built.MinLayer, built.MaxLayer})
	t.Logf("%d of %d constructors and methods stand in %d layers", len(have), len(want), len(layers))
}

// writes lists the constructors a set writes for a layer.
func writes(set *tlset.Set, layer int) []string {
	var out []string
	for _, c := range set.Constructors {
		if c.Layers.Contains(layer) {
			out = append(out, fmt.Sprintf("%s#%08x", c.Predicate, c.ID))
		}
	}
	slices.Sort(out)
	return out
}

// The way an operator goes: the .proto files of a new release, the schema of its newest layer, and for all that is older
// the release before it. The set serves every layer as the one we ship does.
func TestRebuildOnBase(t *testing.T) {
	ours, err := tl.ReadSet("0.223.1")
	require.NoError(t, err)
	before, err := readBase("0.222.3")
	require.NoError(t, err)
	schemas, err := readSchemas([]string{filepath.Join(gotdSchemas(t), "telegram.tl")})
	require.NoError(t, err)
	var rep report
	built, err := generate("rebuilt", parseAll(t, printed.Protos(ours)), append(fromSet(before, schemas), schemas...), &rep)
	require.NoError(t, err)
	require.Empty(t, rep.unmapped)
	for _, list := range [][]string{rep.inTheWay, rep.later, rep.gaps, rep.early} {
		require.Empty(t, list)
	}
	require.Empty(t, rep.notInTL, "the two know every id")
	require.Empty(t, rep.notes)
	require.Equal(t, []string{"table set 0.222.3 (layers 139-222)", "telegram.tl (layer 223)"}, rep.tlFiles)
	for layer := ours.MinLayer; layer <= ours.MaxLayer; layer++ {
		require.Equal(t, writes(ours, layer), writes(built, layer), "layer %d", layer)
	}
	want, have := describe(ours), describe(built)
	require.Len(t, have, len(want))
	for id, w := range want {
		if sorted, other := lines(w.text), lines(have[id].text); !slices.Equal(sorted, other) {
			t.Errorf("%08x\nwant %s\nhave %s", id, w.text, have[id].text)
		}
	}
}

// A release that is older than the base and the schema ends at its own layer, and writes what it does for each of its layers.
func TestRebuildOnNewerBase(t *testing.T) {
	ours, err := readBase("0.222.3")
	require.NoError(t, err)
	newer, err := readBase("0.223.1")
	require.NoError(t, err)
	schemas, err := readSchemas([]string{filepath.Join(gotdSchemas(t), "telegram.tl")})
	require.NoError(t, err)
	var rep report
	built, err := generate("rebuilt", parseAll(t, printed.Protos(ours)), append(fromSet(newer, schemas), schemas...), &rep)
	require.NoError(t, err)
	require.Equal(t, []int{139, 222}, []int{built.MinLayer, built.MaxLayer})
	require.Equal(t, []int{223, 223}, []int{rep.newest, rep.next})
	require.Contains(t, rep.inTheWay, "message#3ae56482: layers 223")
	require.Empty(t, rep.later)
	require.Empty(t, rep.gaps)
	require.Empty(t, rep.unmapped)
	require.Equal(t, ours.Hash(), built.Hash())
	for layer := ours.MinLayer; layer <= ours.MaxLayer; layer++ {
		require.Equal(t, writes(ours, layer), writes(built, layer), "layer %d", layer)
	}
}

// lines sorts the lines of a description: bits that only an older text has come last in a built set.
func lines(s string) []string {
	l := strings.Split(s, "\n")
	slices.Sort(l)
	return l
}

// withoutBits takes olderBits out of a set.
func withoutBits(set *tlset.Set) *tlset.Set {
	prune := func(name string, params []tlset.Param) []tlset.Param {
		return slices.DeleteFunc(params, func(p tlset.Param) bool {
			return strings.HasSuffix(p.Type, "?true") && slices.Contains(olderBits[name], p.Name)
		})
	}
	for i := range set.Constructors {
		c := &set.Constructors[i]
		c.Params = prune(c.Predicate, c.Params)
	}
	for i := range set.Methods {
		m := &set.Methods[i]
		m.Params = prune(m.Name, m.Params)
	}
	return set
}

type description struct {
	method bool
	text   string
}

// describe writes each constructor and method with its fields resolved.
func describe(set *tlset.Set) map[uint32]description {
	fields := map[string]string{}
	for i := range set.Messages {
		m := &set.Messages[i]
		for _, f := range m.AllFields() {
			fields[m.Name+"."+f.Name] = strings.TrimSpace(strings.Join([]string{strconv.Itoa(f.Number), f.Kind, map[bool]string{true: "repeated"}[f.Repeated]}, " "))
		}
	}
	params := func(message string, list []tlset.Param) string {
		var b strings.Builder
		for _, p := range list {
			b.WriteString("\n\t" + p.Name + ":" + p.Type + " " + p.Field + " " + fields[message+"."+p.Field])
		}
		return b.String()
	}
	out := map[uint32]description{}
	for _, c := range set.Constructors {
		out[c.ID] = description{false, c.Predicate + " " + c.Type + params(tlset.MessageName(c.Type), c.Params)}
	}
	for _, m := range set.Methods {
		out[m.ID] = description{true, m.Name + " " + m.Request + " " + m.Path + " " + m.Result + params(m.Request, m.Params)}
	}
	return out
}

// gotdSchemas is the folder of the public schemas in the module cache.
func gotdSchemas(t *testing.T) string {
	t.Helper()
	dir, err := printed.Schemas()
	require.NoError(t, err)
	return dir
}
