package keyexpiry

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
)

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		md   metadata.MD
		want int64
	}{
		"none":           {nil, 0},
		"other trailers": {metadata.Pairs("x", "1"), 0},
		"an end":         {metadata.Pairs("auth-key-expires-at", "1700000000"), 1700000000},
		"not a number":   {metadata.Pairs("auth-key-expires-at", "soon"), 0},
		"negative":       {metadata.Pairs("auth-key-expires-at", "-5"), 0},
		"no value":       {metadata.MD{"auth-key-expires-at": nil}, 0},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, Read(tc.md)) })
	}
}

// Outside of a call there is nobody to tell.
func TestSetOutsideOfACall(t *testing.T) { Set(t.Context(), 5) }
