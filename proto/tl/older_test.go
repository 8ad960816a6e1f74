package tl_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// Each release that is shipped loads, under its name or that of one that says the same, and turns objects of each of its
// constructors into protobuf and back.
func TestOlderReleases(t *testing.T) {
	if raceEnabled {
		t.Skip("too slow; the two newest releases are tried with the detector")
	}
	hashes := map[string]string{} // → release
	for _, release := range tl.Releases() {
		t.Run(release, func(t *testing.T) {
			s := load(t, release)
			set, err := tl.ReadSet(release)
			require.NoError(t, err)
			require.Equal(t, s.Name(), set.Release)
			if other := hashes[s.Hash()]; other != "" {
				require.Equal(t, other, s.Name())
				return
			}
			hashes[s.Hash()] = s.Name()
			fewer(t, 2)
			n := 0
			generators := map[int]*generator{}
			for i := range set.Constructors {
				c := &set.Constructors[i]
				layer := layerOf(set, c)
				if layer == 0 {
					continue
				}
				g := generators[layer]
				if g == nil {
					g = newGenerator(set, layer)
					generators[layer] = g
				}
				if !g.ends(c) {
					continue
				}
				n++
				rapid.Check(t, func(t *rapid.T) {
					roundTrip(t, s, s.Message(tlset.MessageName(c.Type)), g.object(t, nil, c, 2), layer)
				})
			}
			t.Logf("%d constructors", n)
			require.Greater(t, n, 1000)
		})
	}
}
