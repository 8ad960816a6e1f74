package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Each command of ctl asks what its flags say, and shows the answer as a table
// and as JSON.
func TestCommands(t *testing.T) {
	a := serve(t, false, manyCalls)
	yes, no := true, false
	for _, tc := range []struct {
		line  string
		asked any
		table string // a part of it; runs of spaces count as one
	}{
		{"list", []any{sessions.Filter{}, sessions.Page{Size: 100}}, "4611686018427387905 777 android"},
		{"list --user 777 --type ios --api-id 6 --live --limit 0 --page-token next",
			[]any{sessions.Filter{UserID: 777, DeviceType: "ios", APIID: 6, Active: &yes}, sessions.Page{Size: 500, Token: "next"}}, "by-user"},
		{"list --ended --limit 7", []any{sessions.Filter{Active: &no}, sessions.Page{Size: 7}}, "HASH USER TYPE"},
		{"get 2", int64(2), "ended by user:778"},
		{"get --auth-key -5", int64(-5), "auth key -5"},
		{"revoke 2", sessions.Selection{Hash: 2}, "none"},
		{"revoke --user 777 --type android --except 5 --keep-newest 3", sessions.Selection{UserID: 777, DeviceType: "android", ExceptHash: 5, KeepNewest: 3}, "ENDED 4611686018427387905"},
		{"cleanup --older-than 720h", []any{720 * time.Hour, 1000, false}, "3 yes no"},
		{"cleanup --dry-run --older-than 720h --limit 5", []any{720 * time.Hour, 5, true}, "3 yes yes"},
		{"policy get 777", int64(777), "as configured as configured as configured"},
		{"policy set 777 --ttl-days 30 --strategy limit-per-device-type --limit 3", []any{int64(777), sessions.Policy{TTLDays: 30, Strategy: sessions.LimitPerDeviceType, Limit: 3}}, "30 limit-per-device-type 3"},
		{"stats", "statistics", "live 1152921504606846976 ios 3 unconfirmed 0 ended 2"},
	} {
		a.sessions.asked = nil
		code, stdout, stderr := a.ctl(both(t), strings.Fields(tc.line)...)
		require.Zero(t, code, "%s: %s", tc.line, stderr)
		require.Equal(t, []any{tc.asked}, a.sessions.calls(), tc.line)
		require.Contains(t, strings.Join(strings.Fields(stdout), " "), tc.table, tc.line)
		require.NotContains(t, stdout, "\x1b", "no escape reaches the terminal")

		code, stdout, stderr = a.ctl(both(t), append(strings.Fields(tc.line), "-o", "json")...)
		require.Zero(t, code, "%s: %s", tc.line, stderr)
		require.NoError(t, json.Unmarshal([]byte(stdout), new(map[string]any)), stdout)
		require.NotContains(t, stdout, "\x1b")
	}
	code, stdout, _ := a.ctl(both(t), "config")
	require.Zero(t, code)
	require.Contains(t, stdout, "Touch.DBInterval")
}

func TestExitCodes(t *testing.T) {
	a := serve(t, false, manyCalls)
	good := admintest.File(t, "token", []byte(both(t)+"\n"))
	for line, want := range map[string]int{
		"":                                   2,
		"--help":                             0,
		"list --help":                        0,
		"frobnicate":                         2,
		"policy":                             2,
		"list extra":                         2,
		"list --nonsense":                    2,
		"list --live --ended":                2,
		"list -o xml":                        2,
		"list --limit -1":                    2,
		"get":                                2,
		"get x":                              2,
		"get 2 3":                            2,
		"get 99":                             4,
		"get -- -99":                         4,
		"get -99 -o json":                    4,
		"get -o json -99":                    4,
		"revoke -99 -98":                     4,
		"get -9x":                            2,
		"revoke":                             2,
		"revoke 0":                           2,
		"revoke 99":                          4,
		"revoke 2 --user 777":                2,
		"revoke --type ios":                  2,
		"cleanup":                            2,
		"cleanup --older-than 1m":            2,
		"policy get":                         2,
		"policy set 777 --strategy nonsense": 2,
		"stats --addr 127.0.0.1:1":           1,
		"stats --token-file /nowhere/token":  1,
		"stats --ca /nowhere/ca":             1,
		"stats --addr 192.0.2.1:1":           2, // the token would travel in the clear
		"stats --token-file " + good:         0,
		"token --scope sessions:read":        2,
		"token --key-file /nowhere --scope sessions:read": 1,
		"token --key-file " + good + " --scope sessions":  2,
	} {
		code, stdout, stderr := a.ctl(both(t), strings.Fields(line)...)
		require.Equal(t, want, code, "%s: %s%s", line, stdout, stderr)
		if want == 0 {
			require.NotEmpty(t, stdout, line)
			require.Empty(t, stderr, line)
			continue
		}
		require.Empty(t, stdout, line)
		require.NotEmpty(t, stderr, line)
		require.NotContains(t, stderr, "eyJ", "no token in a message")
	}
	code, _, stderr := a.ctl("", "stats")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "a bearer token is needed (Unauthenticated)")
}

// The tokens that ctl makes are good for the API, and for what they name.
func TestTokensOfCtl(t *testing.T) {
	a := serve(t, false, manyCalls)
	key := admintest.File(t, "secret", []byte(admintest.Secret+"\n"))
	code, text, stderr := a.ctl("", "token", "--key-file", key, "--scope", "sessions:read", "--ttl", "1m", "--name", "shell")
	require.Zero(t, code, stderr)
	made := strings.TrimSpace(text)
	code, _, stderr = a.ctl(made, "stats")
	require.Zero(t, code, stderr)
	code, _, _ = a.ctl(made, "revoke", "2")
	require.Equal(t, 3, code)
	require.Equal(t, []string{"shell", "shell"}, callers(a.written()))
}

// Lists are put together from pages.
func TestListsGoOnOverPages(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, stdout, stderr := a.ctl(both(t), "list", "--limit", "1")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "4611686018427387905")
}
