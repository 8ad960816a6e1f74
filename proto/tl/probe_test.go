package tl_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

const probeSet = `tlset 0.1 layers 1-2

union Message
	3 id int32
	4 note wrap.string
	5 peer msg.Peer
	6 text string
	7 views int32 repeated
	100 own int32
union Peer
	3 user_id int64
union Raw
	3 x int32
vector Vector_Message msg.Message

ctor message#00000002 2 flags:# id:int note:flags.0?string peer:Peer = Message
ctor message#00000001 1 id:int text:string = Message
ctor messageEmpty#00000003 1-2 id:int = Message
ctor peerUser#00000004 1-2 user_id:long = Peer
`

func TestProbe(t *testing.T) {
	set, err := tlset.Parse([]byte(probeSet))
	require.NoError(t, err)
	probe := tl.NewProbe(set)
	head := "\x0a\x07message\x10\x02" // predicate_name and constructor
	for _, c := range []struct{ name, message, pb, want string }{
		{"nothing", "Message", "", ""},
		{"all is well", "Message", head + "\x18\x05\x22\x03\x0a\x01n\x2a\x0c\x0a\x08peerUser\x18\x01", ""},
		{"field of an older version", "Message", head + "\x32\x01t", ""},
		{"the server's own field", "Message", head + "\xa0\x06\x01", ""},
		{"inside a vector", "Vector_Message", "\x0a\x02\xf8\x01", "wrong content"},
		{"unknown in a vector", "Vector_Message", "\x0a\x03\xf8\x01\x01", "Message.31: unknown field"},
		{"packed and not", "Message", "\x3a\x02\x01\x02\x38\x01", ""},
		{"unknown field", "Message", head + "\x40\x01", "Message.8: unknown field"},
		{"wrong wire", "Message", head + "\x1a\x01a", "Message.3 id: wrong wire type"},
		{"wrapper is a string", "Message", head + "\x22\x03abc", "Message.4 note: wrong content"},
		{"wrapper of another kind", "Message", head + "\x22\x02\x08\x01", "Message.4 note: wrong content"},
		{"message is a string", "Message", head + "\x2a\x01a", "Message.5 peer: wrong content"},
		{"predicate of another type", "Message", "\x2a\x09\x0a\x07message", "Peer.1 predicate_name: unknown predicate"},
		{"server's own type", "Raw", "\x0a\x01x\x18\x01", ""},
		{"unknown id", "Message", "\x0a\x07message\x10\x63", "Message.2 constructor: unknown constructor id"},
		{"stray field", "Message", "\x0a\x0cmessageEmpty\x22\x00", "Message.4 note: stray field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := probe.Check(c.message, []byte(c.pb))
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0].String(), c.want)
		})
	}
	_, err = probe.Check("None", nil)
	require.ErrorAs(t, err, new(tl.UnknownMessageError))
	_, err = probe.Check("Message", []byte("\x0a\x05ab"))
	require.Error(t, err)
	found, err := probe.Check("Message", bytes.Repeat([]byte("\x40\x01\x48\x01"), 1000))
	require.NoError(t, err)
	require.Len(t, found, 2, "each once")
}

var probes = sync.OnceValue(func() map[string]*tl.Probe {
	out := map[string]*tl.Probe{}
	for _, set := range sets {
		data, err := tl.ReadSet(set.release)
		if err != nil {
			data, err = tl.OpenSet(filepath.Join("testdata", set.release+".tls"))
		}
		if err == nil {
			out[set.release] = tl.NewProbe(data)
		}
	}
	return out
})

// What a release wrote, that release's probe finds nothing in; the other one's finds what would be lost without a word.
func TestProbeTellsReleasesApart(t *testing.T) {
	misfits := func(probe, file string) (messages, proven int) {
		for _, v := range readVectors(t, file) {
			if strings.Contains(v.Name, "constructor disagree") {
				continue // edited by hand, so that it has what the probe looks for
			}
			found, err := probes()[probe].Check(v.Message, v.pb(t))
			require.NoError(t, err, v.Name)
			if len(found) == 0 {
				continue
			}
			messages++
			for _, f := range found {
				if f.Reason.Proof() {
					proven++
					break
				}
			}
		}
		return messages, proven
	}
	for _, set := range sets {
		n, _ := misfits(set.release, set.vectors)
		require.Zero(t, n, set.release)
	}
	n, proven := misfits("0.223.1", "222.jsonl.gz")
	t.Logf("0.222.3 seen by 0.223.1: %d messages with misfits, %d of them proven", n, proven)
	require.Positive(t, proven)
	n, proven = misfits("0.222.3", "223.jsonl.gz")
	t.Logf("0.223.1 seen by 0.222.3: %d messages with misfits, %d of them proven", n, proven)
	require.Positive(t, proven)
}

// Hostile input is an error or a list of bounded length.
func FuzzProbe(f *testing.F) {
	for _, v := range readVectors(f, "222.jsonl.gz") {
		f.Add(v.Message, v.pb(f))
	}
	f.Fuzz(func(t *testing.T, message string, pb []byte) {
		found, _ := probes()["0.223.1"].Check(message, pb)
		require.LessOrEqual(t, len(found), 16)
	})
}
