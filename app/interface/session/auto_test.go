package session

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/config"
	"github.com/tgsession/tgsession/app/interface/session/internal/releasecheck/bfftest"
	"github.com/tgsession/tgsession/app/internal/conf"
)

// With Schema: auto a node works with the tables of its BFF's release, and one whose BFF
// does not tell it ends with the way out.
func TestSchemaAuto(t *testing.T) {
	auto := func(conf *Config) { conf.Schema = config.SchemaAuto }
	c := startCluster(t)
	untold := c.config()
	auto(&untold)
	s, err := New(untold)
	require.NoError(t, err)
	err = s.Start(t.Context())
	var key *conf.KeyError
	require.ErrorAs(t, err, &key, "the BFF of the tests takes every method")
	require.Equal(t, "Schema", key.Key)
	require.Contains(t, key.Problem, "fit several releases")

	for _, release := range []string{"0.223.1", "0.213.0"} {
		c.addr["bff"] = bfftest.Start(t, release, bfftest.Every, protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "config"))
		require.Equal(t, release, c.start(auto).svc.Schema.Name())
	}
}
