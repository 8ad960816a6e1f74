package tl_test

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
)

// sets are the table sets that have vectors. 0.139.4 is a fixture: its vectors recorded Teamgram's own codec.
var sets = []struct {
	release, vectors string
	exceptions       map[string]string // vectors this engine answers otherwise on purpose
}{
	{"0.139.4", "139.jsonl.gz", map[string]string{
		// The recorded codec wrote nothing for a predicate the layer does not have.
		"auth.sentCodeTypeMissedCall":     "zero bytes",
		"auth.codeTypeMissedCall":         "zero bytes",
		"groupCallStreamChannel":          "zero bytes",
		"messages.searchResultsPositions": "zero bytes",
		"messages.translateNoResult":      "zero bytes",
		// The recorded codec announced a field and left it out.
		"chatFull":          "shared-bit",
		"contacts.topPeers": "shared-bit",
	}},
	{"0.222.3", "222.jsonl.gz", nil},
	{"0.223.1", "223.jsonl.gz", nil},
}

type vector struct {
	Name      string `json:"name"`
	Direction string `json:"direction"`
	Layer     int    `json:"layer"`
	Message   string `json:"message"`
	TL        string `json:"tl_hex"`
	PB        string `json:"pb_hex"`
}

func (v *vector) tl(t testing.TB) []byte { return unhex(t, v.TL) }
func (v *vector) pb(t testing.TB) []byte { return unhex(t, v.PB) }

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// load compiles a release once a test run; the fixture comes from its file.
var load = func() func(t testing.TB, release string) *tl.Schema {
	var mu sync.Mutex
	schemas := map[string]*tl.Schema{}
	return func(t testing.TB, release string) *tl.Schema {
		mu.Lock()
		defer mu.Unlock()
		if s := schemas[release]; s != nil {
			return s
		}
		s, err := tl.Load(release)
		if err != nil {
			s, err = tl.Open(filepath.Join("testdata", release+".tls"))
		}
		require.NoError(t, err)
		schemas[release] = s
		return s
	}
}()

func readVectors(t testing.TB, file string) []vector {
	f, err := os.Open(filepath.Join("testdata", "vectors", file))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var out []vector
	for lines := bufio.NewScanner(z); lines.Scan(); {
		var v vector
		require.NoError(t, json.Unmarshal(lines.Bytes(), &v))
		out = append(out, v)
	}
	return out
}

func TestVectors(t *testing.T) {
	for _, set := range sets {
		t.Run(set.release, func(t *testing.T) {
			s := load(t, set.release)
			passed, named := 0, map[string]int{}
			for _, v := range readVectors(t, set.vectors) {
				var got, want []byte
				var err error
				if v.Direction == "tl2pb" {
					want = v.pb(t)
					var n int
					if got, n, err = s.Decode(nil, s.Message(v.Message), v.tl(t)); err == nil {
						require.Equal(t, len(v.TL)/2, n, v.Name)
					}
				} else {
					want = v.tl(t)
					got, err = s.Encode(nil, s.Message(v.Message), v.pb(t), v.Layer)
				}
				if err == nil && string(got) == string(want) {
					passed++
					continue
				}
				name, _, _ := strings.Cut(v.Name, " ")
				why := set.exceptions[name]
				switch {
				case why == "zero bytes" && len(want) == 0, why == "shared-bit" && strings.Contains(v.Name, why):
					named[v.Name+": "+why]++
				default:
					t.Errorf("%s %s at %d: %v\n got %x\nwant %x", v.Direction, v.Name, v.Layer, err, got, want)
				}
			}
			t.Logf("%s: %d vectors passed, %d named exceptions %v", set.release, passed, len(named), named)
			require.Equal(t, len(set.exceptions), len(named), "every exception is met")
		})
	}
}
