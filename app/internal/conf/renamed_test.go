package conf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// moved is a configuration whose key Nodes was called Session.
type moved struct {
	Nodes struct {
		Key   string `json:",optional"`
		Count int    `json:",default=3,range=[1:9]"`
	} `json:",optional"`
}

func (*moved) Renamed() map[string]string { return map[string]string{"Session": "Nodes"} }

func TestRenamedKeys(t *testing.T) {
	load := func(ending, text string) (c moved, warnings []string, err error) {
		path := filepath.Join(t.TempDir(), "c"+ending)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		warnings, err = Load(path, &c)
		return c, warnings, err
	}
	for name, tc := range map[string]struct {
		ending, text string
		warned       bool
	}{
		"the new name":                 {".yaml", "Nodes: {Key: a, Count: 4}", false},
		"the old name":                 {".yaml", "Session: {Key: a, Count: 4}", true},
		"the old name in another case": {".yaml", "session: {key: a, count: 4}", true},
		"the old name in JSON":         {".json", `{"Session": {"Key": "a", "Count": 4}}`, true},
		"the old name in TOML":         {".toml", "[Session]\nKey = 'a'\nCount = 4", true},
	} {
		t.Run(name, func(t *testing.T) {
			c, warnings, err := load(tc.ending, tc.text)
			require.NoError(t, err)
			require.Equal(t, "a", c.Nodes.Key)
			require.Equal(t, 4, c.Nodes.Count)
			if !tc.warned {
				require.Empty(t, warnings)
				return
			}
			require.Len(t, warnings, 1)
			require.Contains(t, warnings[0], "is called Nodes now")
		})
	}
	_, _, err := load(".yaml", "Nodes: {Key: a}\nSession: {Key: b}")
	var wrong *KeyError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "Session is the old name of Nodes, which is there, too: take Session out", wrong.Error())
	_, _, err = load(".yaml", "Session: {Count: 12}")
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "Nodes.Count", wrong.Key, "errors have the name of today")
	require.Equal(t, "is 12", wrong.Problem)
}
