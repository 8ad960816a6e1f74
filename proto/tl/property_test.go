package tl_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// generator draws canonical TL from the tables: minimal string lengths, zero padding, no optional vector or bytes that
// is present but empty, and fields that share a flag bit present together, since protobuf cannot tell these apart.
type generator struct {
	types map[string][]*tlset.Constructor // versions of the layer, by TL type
	bare  map[string]*tlset.Constructor
	small map[string]*tlset.Constructor // the constructor to end a deep nesting with
}

// newGenerator holds the constructors a layer writes. A type that the layer has no constructor for stays empty.
func newGenerator(set *tlset.Set, layer int) *generator {
	g := &generator{
		types: map[string][]*tlset.Constructor{}, bare: map[string]*tlset.Constructor{},
		small: map[string]*tlset.Constructor{},
	}
	for i := range set.Constructors {
		c := &set.Constructors[i]
		if c.Layers.Contains(layer) {
			g.types[c.Type] = append(g.types[c.Type], c)
		}
		if g.bare[c.Predicate] == nil {
			g.bare[c.Predicate] = c
		}
	}
	for changed := true; changed; { // types that can end, from the leaves up
		changed = false
		for typ, cs := range g.types {
			for _, c := range cs {
				if g.small[typ] == nil && g.ends(c) {
					g.small[typ], changed = c, true
				}
			}
		}
	}
	return g
}

// ends reports whether all required objects of c have a known way to end.
func (g *generator) ends(c *tlset.Constructor) bool {
	return !slices.ContainsFunc(c.Params, func(p tlset.Param) bool { return isObject(p.Type) && g.small[p.Type] == nil })
}

func isObject(typ string) bool {
	return !slices.Contains([]string{"#", "int", "long", "double", "string", "bytes", "int128", "int256", "!X"}, typ) &&
		!strings.Contains(typ, "?") && !strings.Contains(typ, "<")
}

func (g *generator) object(t *rapid.T, b []byte, c *tlset.Constructor, depth int) []byte {
	return g.fields(t, binary.LittleEndian.AppendUint32(b, c.ID), c.Params, depth)
}

func (g *generator) fields(t *rapid.T, b []byte, params []tlset.Param, depth int) []byte {
	words := map[string]uint32{}
	for _, p := range params {
		typ := p.Type
		if typ == "#" {
			words[p.Name] = g.word(t, p.Name, params, depth)
			b = binary.LittleEndian.AppendUint32(b, words[p.Name])
			continue
		}
		cond, rest, optional := strings.Cut(typ, "?")
		if optional {
			word, bit := flagOf(cond)
			if words[word]&bit == 0 {
				continue
			}
			typ = rest
		}
		b = g.value(t, b, typ, depth, optional)
	}
	return b
}

func flagOf(cond string) (word string, mask uint32) {
	word, bit, _ := strings.Cut(cond, ".")
	n, err := strconv.Atoi(bit)
	if err != nil {
		panic(err)
	}
	return word, 1 << n
}

// word draws a flags word of bits that fields hang on.
func (g *generator) word(t *rapid.T, name string, params []tlset.Param, depth int) uint32 {
	var bits, not uint32
	for _, p := range params {
		cond, typ, ok := strings.Cut(p.Type, "?")
		if !ok {
			continue
		}
		word, bit := flagOf(cond)
		if word != name {
			continue
		}
		bits |= bit
		elem := strings.TrimSuffix(strings.TrimPrefix(typ, "Vector<"), ">")
		if isObject(elem) && elem != "true" && (depth <= 0 || g.small[elem] == nil) {
			not |= bit
		}
	}
	return rapid.Uint32().Draw(t, name) & bits &^ not
}

func (g *generator) value(t *rapid.T, b []byte, typ string, depth int, optional bool) []byte {
	if elem, ok := strings.CutPrefix(strings.ToLower(typ[:1])+typ[1:], "vector<"); ok {
		if typ[0] == 'V' {
			b = binary.LittleEndian.AppendUint32(b, 0x1cb5c415)
		}
		elem = strings.TrimSuffix(elem, ">")
		least, most := 0, 3
		if optional {
			least = 1
		}
		if isObject(elem) && !strings.HasPrefix(elem, "%") && (depth <= 0 || g.small[elem] == nil) {
			most = least
		}
		n := rapid.IntRange(least, most).Draw(t, "count")
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		for range n {
			b = g.value(t, b, elem, depth, false)
		}
		return b
	}
	switch typ {
	case "true":
		return b
	case "int":
		return binary.LittleEndian.AppendUint32(b, uint32(rapid.Int32().Draw(t, typ)))
	case "long":
		return binary.LittleEndian.AppendUint64(b, uint64(rapid.Int64().Draw(t, typ)))
	case "double":
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(rapid.Float64().Draw(t, typ)))
	case "int128", "int256":
		n := map[string]int{"int128": 16, "int256": 32}[typ]
		return append(b, rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, typ)...)
	case "!X":
		return binary.LittleEndian.AppendUint32(b, 0xc4f9186b) // help.getConfig
	case "string":
		return appendTLString(b, []byte(strings.ToValidUTF8(string(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, typ)), "")))
	case "bytes":
		least := 0
		if optional {
			least = 1
		}
		return appendTLString(b, rapid.SliceOfN(rapid.Byte(), least, 300).Draw(t, typ))
	}
	if name, ok := strings.CutPrefix(typ, "%TL_"); ok {
		return g.fields(t, b, g.bare[name].Params, depth-1)
	}
	c := g.small[typ]
	if depth > 0 {
		c = rapid.SampledFrom(slices.DeleteFunc(slices.Clone(g.types[typ]),
			func(c *tlset.Constructor) bool { return !g.ends(c) })).Draw(t, typ)
	}
	return g.object(t, b, c, depth-1)
}

func appendTLString(b, v []byte) []byte {
	start := len(b)
	if len(v) < 254 {
		b = append(b, byte(len(v)))
	} else {
		b = append(b, 254, byte(len(v)), byte(len(v)>>8), byte(len(v)>>16))
	}
	b = append(b, v...)
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// layerOf is the newest layer that writes c; 0 when none does.
func layerOf(set *tlset.Set, c *tlset.Constructor) int {
	if len(c.Layers) == 0 {
		return 0
	}
	return min(c.Layers[len(c.Layers)-1].Last, set.MaxLayer)
}

// Every constructor, at the newest layer that has it, survives TL -> protobuf -> TL and protobuf -> TL -> protobuf; those
// that no layer writes are read.
func TestEveryConstructor(t *testing.T) {
	for _, release := range []string{tl.Default, "0.222.3"} { // TestOlderReleases has the others
		t.Run(release, func(t *testing.T) {
			if release != tl.Default {
				fewer(t, 10)
			}
			s := load(t, release)
			set, err := tl.ReadSet(release)
			require.NoError(t, err)
			generators := map[int]*generator{}
			both, read, skipped := 0, 0, 0
			for i := range set.Constructors {
				c := &set.Constructors[i]
				layer := layerOf(set, c)
				at := layer
				if at == 0 {
					at = set.MaxLayer
				}
				if generators[at] == nil {
					generators[at] = newGenerator(set, at)
				}
				g := generators[at]
				if !g.ends(c) {
					skipped++
					continue
				}
				name := fmt.Sprintf("%s#%08x at %d", c.Predicate, c.ID, layer)
				m := s.Message(tlset.MessageName(c.Type))
				check := func(t *rapid.T) {
					in := g.object(t, nil, c, 3)
					roundTrip(t, s, m, in, layer)
				}
				draw(t, name, check)
				if layer == 0 {
					read++
				} else {
					both++
				}
			}
			t.Logf("%s: %d constructors both ways, %d read only, %d without a value in any layer", release, both, read, skipped)
		})
	}
}

// Every method survives TL -> protobuf -> TL.
func TestEveryMethod(t *testing.T) {
	s := load(t, tl.Default)
	set, err := tl.ReadSet(tl.Default)
	require.NoError(t, err)
	generators := map[int]*generator{}
	skipped := 0
	for i := range set.Methods {
		c := &set.Methods[i]
		layer := set.MaxLayer
		if n := len(c.Layers); n > 0 {
			layer = max(min(c.Layers[n-1].Last, set.MaxLayer), set.MinLayer)
		}
		if generators[layer] == nil {
			generators[layer] = newGenerator(set, layer)
		}
		g := generators[layer]
		if !g.ends(&tlset.Constructor{Params: c.Params}) {
			skipped++
			continue
		}
		draw(t, fmt.Sprintf("%s#%08x", c.Name, c.ID), func(t *rapid.T) {
			in := g.fields(t, binary.LittleEndian.AppendUint32(nil, c.ID), c.Params, 3)
			pb, m, n, err := s.DecodeRequest(nil, in, tl.MaxOutput)
			require.NoError(t, err)
			require.Equal(t, len(in), n)
			require.Equal(t, c.Name, m.Name)
			// Arguments are objects of the method's layer.
			back, err := s.Encode(nil, m.Request, pb, layer)
			require.NoError(t, err)
			require.Equal(t, in, back)
		})
	}
	t.Logf("%d methods, %d without a value", len(set.Methods)-skipped, skipped)
}

func roundTrip(t require.TestingT, s *tl.Schema, m *tl.Message, in []byte, layer int) {
	pb, n, err := s.Decode(nil, m, in)
	require.NoError(t, err)
	require.Equal(t, len(in), n)
	require.LessOrEqual(t, len(pb), tl.Expansion*len(in)+256)
	requireAscending(t, pb)
	if layer == 0 {
		return
	}
	back, err := s.Encode(nil, m, pb, layer)
	require.NoError(t, err)
	require.Equal(t, in, back)
	if name := s.Predicate(m.Name(), pb); name != "" { // the predicate once more: the whole message is scanned first
		detour, err := s.Encode(nil, m, append(append(slices.Clone(pb), 1<<3|2, byte(len(name))), name...), layer)
		require.NoError(t, err)
		require.Equal(t, in, detour)
	}
	again, _, err := s.Decode(nil, m, back)
	require.NoError(t, err)
	require.Equal(t, pb, again)
}

// draw runs a property 100 times, less under the race detector, or as often as -rapid.checks says. rapid prints the
// seed of a failure.
func draw(t *testing.T, name string, check func(*rapid.T)) {
	t.Helper()
	if raceEnabled {
		fewer(t, 5)
	}
	t.Run(name, func(t *testing.T) { rapid.Check(t, check) })
}

// fewer lowers the number of values a property is tried with, unless the command line chose one.
func fewer(t *testing.T, n int) {
	const checks = "rapid.checks"
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == checks })
	if chosen {
		return
	}
	f := flag.Lookup(checks)
	old := f.Value.String()
	require.NoError(t, f.Value.Set(strconv.Itoa(n))) // not flag.Set, which would count as chosen
	t.Cleanup(func() { _ = f.Value.Set(old) })
}
