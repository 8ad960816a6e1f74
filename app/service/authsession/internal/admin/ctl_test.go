package admin

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// Each command of ctl asks what its flags say, and shows the answer as a table
// and as JSON.
func TestCommands(t *testing.T) {
	a := serve(t, false, manyCalls)
	yes, no := true, false
	a.sessions.ended = ended(1)
	for _, tc := range []struct {
		line  string
		asked any
		table string // a part of it; runs of spaces count as one
	}{
		{"list", []any{sessions.Filter{}, sessions.Page{Size: 100}}, "4611686018427387905 777 android"},
		{
			"list --user 777 --type ios --api-id 6 --live --limit 0 --page-token next",
			[]any{sessions.Filter{UserID: 777, DeviceType: "ios", APIID: 6, Active: &yes}, sessions.Page{Size: 500, Token: "next"}},
			"by-user",
		},
		{"list --ended --limit 7", []any{sessions.Filter{Active: &no}, sessions.Page{Size: 7}}, "LAST ACTIVE ENDED STATE"},
		{"get 2", int64(2), "end reason by-user ended by user:778"},
		{"get 4611686018427387905", int64(1<<62 + 1), "Germany) from 2023-11-14T22:13:20Z to 2023-11-14T23:13:20Z used from 10.0.0.1 to 2023-11-14T22:13:20Z"},
		{"get --auth-key -5", int64(-5), "auth key -5"},
		{"get --user 777", []any{"last", sessions.Filter{UserID: 777}}, "user 777"},
		{"get --user 777 --type android --live", []any{"last", sessions.Filter{UserID: 777, DeviceType: "android", Active: &yes}}, "type android"},
		{"revoke 2", sessions.Selection{Hash: 2}, "2 had ended already"},
		{"revoke 2 4611686018427387905 --dry-run", int64(1<<62 + 1), "4611686018427387905 777 would end"},
		{"revoke --user 777 --dry-run", []any{"selected", sessions.Selection{UserID: 777}}, "4611686018427387905 777 would end"},
		{"revoke --user 777 --type android --except 5 --keep-newest 3 --yes --reason because", sessions.Selection{UserID: 777, DeviceType: "android", ExceptHash: 5, KeepNewest: 3}, "HASH USER RESULT 4611686018427387905 777 ended"},
		{"cleanup --older-than 720h --yes", []any{720 * time.Hour, 200, false}, "HASH USER RESULT 1 777 ended COUNT MORE DRY RUN 1 no no"},
		{"cleanup --dry-run --older-than 720h --limit 5", []any{720 * time.Hour, 5, true}, "3 yes yes"},
		{"erase 777 --yes --reason because", []any{"erase", int64(777)}, "LOGGED OUT SESSIONS HISTORY DEVICES DRY RUN 1 3 2 1 no"},
		{"erase 777 --dry-run", []any{"erasable", int64(777)}, "4 5 0 0 yes"},
		{"policy get 777", int64(777), "as configured as configured as configured"},
		{"policy set 777 --ttl-days 30 --strategy limit-per-device-type --limit 3", []any{int64(777), logins.Policy{TTLDays: 30, Strategy: logins.LimitPerDeviceType, Limit: 3}}, "30 limit-per-device-type 3"},
		{"policy set 777 --limit 4", []any{int64(777), logins.Policy{TTLDays: 30, Strategy: logins.LimitPerDeviceType, Limit: 4}}, "30 limit-per-device-type 4"},
		{"list --search 10.0.0.0/8 --country de --live --sort idle --total", []any{"count", sessions.Filter{Active: &yes, Match: sessions.Match{Networks: networks("10.0.0.0/8"), Countries: []string{"de"}}}}, "HASH USER TYPE"},
		{"policy set 777 --limit 9 --dry-run", int64(777), "30 limit-per-device-type 9"},
		{
			"bulk-revoke --network 10.0.0.0/8,192.0.2.1 --country DE --api-id 6 --platform iOS --type ios --user 777 --except-user 5 --yes --ticket T-1",
			[]any{"bulk", sessions.Bulk{
				Match:   sessions.Match{Networks: networks("10.0.0.0/8", "192.0.2.1/32"), Countries: []string{"DE"}, APIIDs: []int32{6}, Platforms: []string{"iOS"}, DeviceTypes: []string{"ios"}},
				UserIDs: []int64{777}, ExceptUsers: []int64{5},
			}, 200, false, ""},
			"4611686018427387905 777 ended 2 778 ended MATCHED ENDED MORE DRY RUN 2 2 no no",
		},
		{"bulk-revoke --api-id 6 --dry-run", []any{"bulk", sessions.Bulk{Match: sessions.Match{APIIDs: []int32{6}}}, 200, true, ""}, "2 778 would end MATCHED ENDED MORE DRY RUN 2 0 no yes"},
		{"audit --user 777 --caller bob --method CleanUp --code OK --ticket T-1 --limit 7", []any{"audit", audit.Filter{UserID: 777, Caller: "bob", Method: "CleanUp", Code: "OK", Ticket: "T-1"}, 7}, "ID TIME CALLER FROM METHOD"},
		{"audit 1", []any{"row", int64(1)}, "ended 5 of user 777"},
		{"webhooks", "hooks", "billing https://b.example/hook session.revoked 1 2 1"},
		{"webhooks dead billing --user 5", []any{"dead", "billing", int64(5), 101}, "8 2023-11-14T22:13:20Z session.revoked 778 12 no answered 500"},
		{"webhooks retry billing 7 8", []any{"retry", events.Chosen{Webhook: "billing", IDs: []int64{7, 8}}, false}, "2 no no"},
		{"webhooks purge gone 7", []any{"purge", events.Chosen{Webhook: "gone", IDs: []int64{7}}, false}, "2 yes no"},
		{"webhooks purge gone --all --yes --user 5", []any{"purge", events.Chosen{Webhook: "gone", UserID: 5}, false}, "2 yes no"},
		{"webhooks purge gone --all --dry-run", []any{"purge", events.Chosen{Webhook: "gone"}, true}, "2 yes yes"},
		{"webhooks retry billing --all --user 5 --dry-run", []any{"retry", events.Chosen{Webhook: "billing", UserID: 5}, true}, "2 no yes"},
		{"whoami", nil, "name root by token scopes sessions:read sessions:revoke"},
		{"stats", []any{"online", 11 * time.Minute}, "live 1152921504606846976 ios 3 unconfirmed 0 ended 2"},
		{"overview", "hooks", "webhook billing 1 batches behind, 2 dead letters"},
	} {
		a.sessions.asked, a.sessions.list = nil, aManager().list
		code, stdout, stderr := a.ctl(both(t), strings.Fields(tc.line)...)
		require.Zero(t, code, "%s: %s", tc.line, stderr)
		require.Equal(t, tc.asked, a.sessions.last(), tc.line)
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
		"get 2 --user 777":                   2,
		"get 2 --type ios":                   2,
		"get --user 99":                      4,
		"get 2 3":                            2,
		"get 99":                             4,
		"get -- -99":                         4,
		"get -99 -o json":                    4,
		"get -o json -99":                    4,
		"revoke -99 -98":                     2,
		"revoke -99 -98 --yes":               4,
		"get -9x":                            2,
		"revoke":                             2,
		"revoke 0":                           2,
		"revoke 99":                          4,
		"revoke 2 --user 777":                2,
		"revoke --type ios":                  2,
		"cleanup":                            2,
		"cleanup --older-than 1m":            2,
		"cleanup --older-than 720h":          2, // three would end
		"policy set 777":                     2,
		"revoke --user 777 -o json":          0,
		"policy get":                         2,
		"bulk-revoke":                        2,
		"bulk-revoke --yes":                  2, // which would be all
		"bulk-revoke --network all --yes":    2,
		"bulk-revoke --api-id 6":             2, // two would end
		"bulk-revoke --api-id x":             2,
		"bulk-revoke --signed-in-after x":    2,
		"bulk-revoke --api-id 6 --limit -1":  2,
		"audit --export xml":                 2,
		"audit 1 2":                          2,
		"audit 999999":                       4,
		"audit --since x":                    2,
		"events --once --after forged":       2,
		"watch --interval 1ms":               2,
		"webhooks dead":                      2,
		"webhooks dead other":                4,
		"webhooks purge other --all --yes":   4,
		"webhooks purge gone --all":          2,
		"webhooks purge gone 1 2":            2,
		"webhooks retry gone --all":          4,
		"webhooks retry billing":             2,
		"webhooks retry billing 1 --all":     2,
		"completion":                         2,
		"completion tcsh":                    2,
		"list --sort idle":                   2,
		"erase":                              2,
		"erase 777":                          2, // it cannot be taken back
		"erase x --yes":                      2,
		"erase 0 --yes":                      2,
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
		if !strings.HasPrefix(line, "revoke") { // which names the result of each hash
			require.Empty(t, stdout, line)
		}
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

// Each hash has its result, and one that nobody knows stops none of the others.
// Everything after it was left undone, and what was done was not told.
func TestEachHashHasItsResult(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, stdout, stderr := a.ctl(both(t), strings.Fields("revoke --yes 99 4611686018427387905 98 2")...)
	require.Equal(t, 5, code, "done in part")
	require.Contains(t, stderr, "2 of the hashes name no session (NotFound)")
	require.Equal(t, []string{"HASH USER RESULT", "99 not found", "4611686018427387905 777 ended", "98 not found", "2 had ended already"}, lines(stdout))

	a.sessions.list = aManager().list
	code, stdout, stderr = a.ctl(both(t), strings.Fields("revoke --yes -o json 99 4611686018427387905")...)
	require.Equal(t, 5, code)
	want := `"error":{"code":"NotFound","message":"1 of the hashes name no session","exit":5}}`
	require.JSONEq(t, "{"+want, stderr)
	require.JSONEq(t, `{"results":[{"hash":"99","result":"not found"},{"hash":"4611686018427387905","user_id":"777","result":"ended"}],`+want, stdout)

	a.sessions.err = errors.New("away")
	code, stdout, stderr = a.ctl(both(t), strings.Fields("revoke --yes -o json 1 2")...)
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.JSONEq(t, `{"error":{"code":"Unavailable","message":"the store cannot be used now; the log says why","exit":1}}`, stderr)
}

// What ended before an error is shown.
func TestWhatEndedBeforeAnErrorIsShown(t *testing.T) {
	a := serve(t, false, manyCalls)
	a.sessions.err, a.sessions.ended = errors.New("away"), ended(2)
	for _, line := range []string{"revoke --user 777 --yes", "cleanup --older-than 720h --yes"} {
		code, stdout, stderr := a.ctl(both(t), strings.Fields(line)...)
		require.Equal(t, 5, code, line)
		require.Equal(t, []string{"HASH USER RESULT", "1 777 ended", "2 777 ended"}, lines(stdout), line)
		require.Contains(t, stderr, "the store cannot be used now")
		code, stdout, _ = a.ctl(both(t), append(strings.Fields(line), "-o", "json")...)
		require.Equal(t, 5, code, line)
		var out map[string]any
		require.NoError(t, json.Unmarshal([]byte(stdout), &out), stdout)
		require.Contains(t, out, "error")
	}
}

// A list and a row of revocations that are longer than the rate limit lets
// through wait, as they are told to. They ended at once, with nothing shown.
func TestCtlWaitsForTheRateLimit(t *testing.T) {
	a := serve(t, false, plainTokens+", RateLimit: {PerSecond: 2, Burst: 1}")
	a.sessions.pages = 3
	code, stdout, stderr := a.ctl(both(t), "list", "--limit", "0")
	require.Zero(t, code, stderr)
	require.Len(t, lines(stdout), 1+3*2)
	code, stdout, stderr = a.ctl(both(t), strings.Fields("revoke --yes 4611686018427387905 2")...)
	require.Zero(t, code, stderr)
	require.Len(t, lines(stdout), 3)
}

// A list that breaks off shows what it had, and where to go on.
func TestAListThatBreaksOffShowsWhatItHad(t *testing.T) {
	a := serve(t, false, plainTokens+", RateLimit: {PerSecond: 0.001, Burst: 1}")
	a.sessions.pages = 3
	code, stdout, stderr := a.ctl(both(t), "list", "--limit", "0")
	require.Equal(t, 5, code)
	require.Len(t, lines(stdout), 3)
	require.Contains(t, stderr, "there are more: --page-token next")
	require.Contains(t, stderr, "too many calls")
}

func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		list = append(list, strings.Join(strings.Fields(line), " "))
	}
	return list
}

// Lists are put together from pages.
func TestListsGoOnOverPages(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, stdout, stderr := a.ctl(both(t), "list", "--limit", "1")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "4611686018427387905")
}
