package revocation

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
	"github.com/tgsession/tgsession/proto/tl"
)

// Every wire release from 0.216.0 on makes of the message what clients of a layer
// know; one that does not know it is told nothing (package sess, UPD-6). Releases
// before number the fields of the update otherwise.
func TestNewAuthorizationInEveryRelease(t *testing.T) {
	asks := NewLogin{Hash: -7, Unconfirmed: true, SignedIn: 1_800_000_000, Device: "Pixel 9", Location: "Berlin, Germany"}
	want := testenv.Announced{Unconfirmed: true, Hash: -7, Date: 1_800_000_000, Device: "Pixel 9", Location: "Berlin, Germany"}
	nowhere := testenv.Announced{Unconfirmed: true, Hash: 1, Date: 2}
	for _, release := range tl.Releases() {
		if release < "0.216" {
			continue
		}
		schema, err := tl.Load(release)
		require.NoError(t, err)
		for name, c := range map[string]struct {
			login NewLogin
			layer int
			want  testenv.Announced
		}{
			"to be confirmed":                 {asks, 200, want},
			"of a layer that has just got it": {asks, 163, want},
			"confirmed":                       {NewLogin{Hash: 9, Device: "not told"}, 200, testenv.Announced{Hash: 9}},
			"nothing is known":                {NewLogin{Hash: 1, Unconfirmed: true, SignedIn: 2}, 200, nowhere},
		} {
			t.Run(release+": "+name, func(t *testing.T) {
				out, err := schema.Encode(nil, schema.Message("Updates"), newAuthorization(c.login, 1_800_000_001), c.layer)
				require.NoError(t, err)
				update, date := testenv.ReadAnnounced(t, out)
				require.Equal(t, c.want, update)
				require.Equal(t, 1_800_000_001, date)
			})
		}
		t.Run(release+": an older layer", func(t *testing.T) {
			out, err := schema.Encode(nil, schema.Message("Updates"), newAuthorization(asks, 5), 158)
			require.NoError(t, err)
			require.EqualValues(t, 0xe317af7e, binary.LittleEndian.Uint32(out), "nothing of it can be said")
		})
	}
}
