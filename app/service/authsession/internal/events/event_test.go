package events

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the goldens anew")

var berlin = time.FixedZone("CET", 3600)

var goldens = map[string]Event{
	"full": {Type: Revoked, At: time.Date(2026, 5, 4, 3, 2, 1, 987654321, berlin), Reason: "admin", Actor: "admin:alice", Session: Snapshot{
		Hash: 8070450532247928833, UserID: 777000, AuthKeyID: -1234567890123456789, DeviceType: "android", DeviceModel: "Pixel <9>", Platform: "Android",
		SystemVersion: "SDK 36", AppName: "Telegram Android", AppVersion: "12.1", LangCode: "de", APIID: 6, Layer: 223, IP: "2001:db8::1",
		Country: "Berlin, Germany", Region: "DE", SignedIn: time.Unix(1_700_000_000, 0), LastActive: time.Unix(1_770_000_000, 0),
		ExpiresAt: time.Unix(1_780_000_000, 0), Unconfirmed: true,
	}},
	"least": {Type: Created, At: time.Unix(1_770_000_000, 0), Session: Snapshot{Hash: 1, UserID: 2, AuthKeyID: 3}},
}

const goldenID = "000102030405060708090a0b0c0d0e0f"

// The JSON form is a promise: a golden changes only with the version.
func TestForm(t *testing.T) {
	for name, ev := range goldens {
		t.Run(name, func(t *testing.T) {
			got, err := encode(goldenID, ev)
			require.NoError(t, err)
			path := filepath.Join("testdata", name+".json")
			if *rewrite {
				require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got)+"\n")
		})
	}
}

type object struct {
	Required   []string
	Properties map[string]object
	Enum       []string
}

// The schema that consumers read names what is published, all of it.
func TestTheSchemaDescribesTheForm(t *testing.T) {
	text, err := os.ReadFile("../../../../../deploy/events/session-event.schema.json")
	require.NoError(t, err)
	var schema object
	require.NoError(t, json.Unmarshal(text, &schema))
	published := func(name string) (outer, session map[string]any) {
		body, err := encode(goldenID, goldens[name])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(body, &outer))
		return outer, outer["session"].(map[string]any)
	}
	names := func(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
	outer, session := published("full")
	require.Equal(t, slices.Sorted(maps.Keys(schema.Properties)), names(outer))
	require.Equal(t, slices.Sorted(maps.Keys(schema.Properties["session"].Properties)), names(session))
	outer, session = published("least")
	require.ElementsMatch(t, schema.Required, names(outer))
	require.ElementsMatch(t, schema.Properties["session"].Required, names(session))
	require.Equal(t, []string{Created, Changed, Touched, Revoked, Expired}, schema.Properties["type"].Enum)
}
