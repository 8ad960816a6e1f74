package tl_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// maxLayers are the layers at which the shipped sets end: those of the releases. 0.208.0 and 0.218.0 register what the next
// layer has, too.
var maxLayers = map[string]int{
	"0.205.0": 205, "0.206.0": 206, "0.207.0": 207, "0.208.0": 209, "0.209.0": 209, "0.211.0": 211, "0.212.0": 212, "0.213.0": 213,
	"0.214.0": 214, "0.215.0": 215, "0.216.0": 216, "0.217.0": 217, "0.218.0": 219, "0.219.0": 219,
	"0.220.0": 220, "0.220.1": 220, "0.220.2": 220, "0.220.3": 220, "0.220.4": 220, "0.221.0": 221,
	"0.222.0": 222, "0.222.1": 222, "0.222.2": 222, "0.222.3": 222, "0.223.0": 222, "0.223.1": 223,
}

// A set that went on behind the layer of its release would have nothing to write for constructors that changed there, so
// the answers to clients of these layers would fail. They get those of the release's last layer.
func TestMaxLayer(t *testing.T) {
	if raceEnabled {
		t.Skip("too slow; nothing here runs side by side")
	}
	newest := reads(t, tl.Default)
	require.Len(t, maxLayers, len(tl.Releases()))
	for _, release := range tl.Releases() {
		t.Run(release, func(t *testing.T) {
			set := reads(t, release)
			require.Equal(t, maxLayers[release], set.MaxLayer)
			last, all := writes(set, set.MaxLayer), writes(newest, set.MaxLayer)
			for i := range set.Constructors {
				c := &set.Constructors[i]
				if !slices.Equal(c.Layers, c.Layers.Clip(set.MinLayer, set.MaxLayer)) {
					t.Errorf("%s#%08x has layers that the set has not: %s", c.Predicate, c.ID, c.Layers)
				}
				if len(c.Layers) > 0 && all[c.Predicate] != 0 && last[c.Predicate] == 0 {
					t.Errorf("%s can be written for layers %s, and not for the last", c.Predicate, c.Layers)
				}
			}

			s := load(t, release)
			m := object(t, s, "Message", "message").object("peer_id", object(t, s, "Peer", "peerUser"))
			for _, layer := range []int{205, set.MaxLayer, 223, 227} {
				got, err := m.toTL(layer)
				require.NoError(t, err)
				want := writes(newest, min(layer, set.MaxLayer))["message"]
				require.Equal(t, want, binary.LittleEndian.Uint32(got), "layer %d", layer)
			}
		})
	}
}

// reads is a shipped set as data.
func reads(t *testing.T, release string) *tlset.Set {
	t.Helper()
	set, err := tl.ReadSet(release)
	require.NoError(t, err)
	return set
}

// writes has the predicates that a set has for a layer, and the id of each there.
func writes(set *tlset.Set, layer int) map[string]uint32 {
	out := map[string]uint32{}
	for i := range set.Constructors {
		if c := &set.Constructors[i]; c.Layers.Contains(layer) {
			out[c.Predicate] = c.ID
		}
	}
	return out
}
