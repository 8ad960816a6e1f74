package tl_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/proto/tl"
	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// seeds adds the vectors of the default release, in both encodings.
func seeds(f *testing.F, add func(v *vector)) {
	for _, v := range readVectors(f, "223.jsonl.gz") {
		add(&v)
	}
}

// typed fails unless err is one of the package's errors.
func typed(t require.TestingT, err error) {
	for _, target := range []any{
		new(tl.UnknownConstructorError), new(tl.UnexpectedConstructorError), new(tl.TruncatedError), new(tl.LimitError),
		new(tl.MalformedError), new(tl.UnknownMessageError), new(tl.UnknownPredicateError), new(tl.UnknownMethodError),
		new(tl.NotInLayerError), new(tl.RequiredError),
	} {
		if errors.As(err, target) {
			return
		}
	}
	require.NoError(t, err, "an error that is not typed")
}

// Any bytes become a well-formed message of bounded size, or a typed error that leaves dst alone.
func FuzzToProto(f *testing.F) {
	s := load(f, tl.Default)
	seeds(f, func(v *vector) { f.Add(v.Message, v.tl(f)) })
	f.Add("TL_account_checkUsername", []byte("\x6c\xd8\x14\x27\x06a\xff\xffb\xd0\x00"))
	f.Fuzz(func(t *testing.T, message string, in []byte) {
		dst := []byte("before")
		out, n, err := s.Decode(dst, s.Message(message), in)
		if err != nil {
			typed(t, err)
			require.Equal(t, "before", string(out))
			return
		}
		require.LessOrEqual(t, n, len(in))
		require.LessOrEqual(t, len(out)-len(dst), tl.Expansion*len(in)+256)
		requireAscending(t, out[len(dst):])
	})
}

// Any bytes become TL that reads back, at any layer, or a typed error.
func FuzzToTL(f *testing.F) {
	s := load(f, tl.Default)
	seeds(f, func(v *vector) {
		f.Add(v.Message, v.pb(f), v.Layer)
		f.Add(v.Message, v.pb(f), 139+len(v.PB)%84)
	})
	f.Fuzz(func(t *testing.T, message string, in []byte, layer int) {
		dst := []byte("before")
		out, err := s.Encode(dst, s.Message(message), in, layer)
		if err != nil {
			typed(t, err)
			require.Equal(t, "before", string(out))
			return
		}
		require.LessOrEqual(t, len(out)-len(dst), tl.Expansion*len(in)+256)
		_, n, err := s.Decode(nil, s.Message(message), out[len(dst):])
		if errors.As(err, new(tl.LimitError)) {
			return // objects the writer put in for absent ones may pass the reader's depth
		}
		require.NoError(t, err, "%x", out)
		require.Equal(t, len(out)-len(dst), n)
	})
}

// What TL -> protobuf -> TL gives is a fixed point: once more changes nothing, neither in TL nor in protobuf.
func FuzzRoundTrip(f *testing.F) {
	s := load(f, tl.Default)
	seeds(f, func(v *vector) { f.Add(v.Message, v.tl(f), v.Layer) })
	f.Fuzz(func(t *testing.T, message string, in []byte, layer int) {
		pb, _, err := s.Decode(nil, s.Message(message), in)
		if err != nil {
			return
		}
		first, err := s.Encode(nil, s.Message(message), pb, layer)
		if err != nil {
			typed(t, err)
			return
		}
		pb, n, err := s.Decode(nil, s.Message(message), first)
		require.NoError(t, err)
		require.Equal(t, len(first), n)
		second, err := s.Encode(nil, s.Message(message), pb, layer)
		require.NoError(t, err)
		require.Equal(t, first, second)
		again, _, err := s.Decode(nil, s.Message(message), second)
		require.NoError(t, err)
		require.Equal(t, pb, again)
	})
}

// Canonical TL of the highest layer comes back unchanged.
func FuzzCanonical(f *testing.F) {
	s := load(f, tl.Default)
	set, err := tl.ReadSet(tl.Default)
	require.NoError(f, err)
	g := newGenerator(set, set.MaxLayer)
	f.Add([]byte("seed"))
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		c := rapid.SampledFrom(set.Constructors).Draw(t, "constructor")
		if layerOf(set, &c) == set.MaxLayer && g.ends(&c) {
			roundTrip(t, s, s.Message(tlset.MessageName(c.Type)), g.object(t, nil, &c, 5), set.MaxLayer)
		}
	}))
}
