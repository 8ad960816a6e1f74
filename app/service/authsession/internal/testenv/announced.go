package testenv

import (
	"testing"

	"github.com/gotd/td/bin"
	"github.com/stretchr/testify/require"
)

// Announced is what a client reads of a login that another device has begun:
// updateNewAuthorization (https://core.telegram.org/constructor/updateNewAuthorization).
type Announced struct {
	Unconfirmed bool // the rest but Hash is there only then
	Hash        int64
	Date        int
	Device      string
	Location    string
}

const (
	updateShort            = 0x78d4dec1
	updateNewAuthorization = 0x8951abef
)

// ReadAnnounced reads it as a client does, from an updateShort, and the date of that.
func ReadAnnounced(t testing.TB, body []byte) (a Announced, date int) {
	t.Helper()
	b := bin.Buffer{Buf: body}
	require.NoError(t, b.ConsumeID(updateShort))
	require.NoError(t, b.ConsumeID(updateNewAuthorization))
	var flags bin.Fields
	require.NoError(t, flags.Decode(&b))
	a.Unconfirmed = flags.Has(0)
	var err error
	a.Hash, err = b.Long()
	require.NoError(t, err)
	if a.Unconfirmed {
		a.Date, err = b.Int()
		require.NoError(t, err)
		a.Device, err = b.String()
		require.NoError(t, err)
		a.Location, err = b.String()
		require.NoError(t, err)
	}
	date, err = b.Int()
	require.NoError(t, err)
	require.Empty(t, b.Buf)
	return a, date
}
