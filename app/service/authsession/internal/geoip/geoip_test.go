package geoip

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoDatabaseKnowsNoPlace(t *testing.T) {
	var none *Locator
	country, region := none.Locate("8.8.8.8")
	require.Empty(t, country+region)
	require.NoError(t, none.Close())
}

func TestAMissingOrCorruptFileIsAnError(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "none.mmdb"))
	require.Error(t, err)
	corrupt := filepath.Join(t.TempDir(), "corrupt.mmdb")
	require.NoError(t, os.WriteFile(corrupt, []byte("not a database"), 0o600))
	_, err = Open(corrupt)
	require.Error(t, err)
}
