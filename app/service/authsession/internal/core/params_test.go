package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/proto/authsession"
)

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// Params that a client sends are bounded, whoever passes them on: megabytes went
// into MySQL, Redis and every state of the key, and deep ones were a fault of the
// server.
func TestParamsAreBounded(t *testing.T) {
	c := start(t)
	k := c.device()
	for name, tc := range map[string]struct{ params, want string }{
		"as clients send them":     {`{"tz_offset":7200}`, `{"tz_offset":7200}`},
		"none":                     {"", ""},
		"no JSON":                  {"{", ""},
		"too long":                 {`"` + strings.Repeat("x", maxParams) + `"`, ""},
		"as long as may be":        {`"` + strings.Repeat("x", maxParams-2) + `"`, `"` + strings.Repeat("x", maxParams-2) + `"`},
		"too deep":                 {nested(maxParamsDepth + 1), ""},
		"as deep as may be":        {nested(maxParamsDepth), nested(maxParamsDepth)},
		"brackets in a text":       {`"` + strings.Repeat("[", 40) + `\"{"`, `"` + strings.Repeat("[", 40) + `\"{"`},
		"side by side, not in":     {"[" + strings.Repeat("[],", 100) + "[]]", "[" + strings.Repeat("[],", 100) + "[]]"},
		"deeper than MariaDB goes": {nested(40), ""},
	} {
		_, err := c.on(0).AuthsessionSetInitConnection(&authsession.TLAuthsessionSetInitConnection{AuthKeyId: k.IntID(), ApiId: 6, Params: tc.params})
		require.NoError(t, err, name)
		state, err := c.on(1).AuthsessionGetAuthStateData(&authsession.TLAuthsessionGetAuthStateData{AuthKeyId: k.IntID()})
		require.NoError(t, err, name)
		got := state.GetClient().GetParams()
		if got == "null" {
			got = ""
		}
		require.Equal(t, tc.want, got, name)
	}
}
