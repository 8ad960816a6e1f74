package admin

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

// A bulk revocation goes on to its end, in calls of a few, shows what each has ended,
// and, where one fails, what was ended before and where to go on.
func TestCtlRevokesInBulk(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, _, stderr := a.ctl(both(t), strings.Fields("bulk-revoke --country DE")...)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "2 sessions would end: end them with --yes")
	for _, asked := range a.sessions.calls() {
		require.Equal(t, true, asked.([]any)[3], "a dry run, all the same")
	}

	a.sessions.pages = 3
	code, stdout, stderr := a.ctl(both(t), strings.Fields("bulk-revoke --country DE --yes")...)
	require.Zero(t, code, stderr)
	require.Equal(t, 6, strings.Count(stdout, " ended\n"))
	require.Contains(t, strings.Join(strings.Fields(stdout), " "), "MATCHED ENDED MORE DRY RUN 6 6 no no")

	a.sessions.pages = 9
	code, stdout, stderr = a.ctl(both(t), strings.Fields("bulk-revoke --country DE --yes --limit 4")...)
	require.Zero(t, code)
	require.Contains(t, strings.Join(strings.Fields(stdout), " "), "MATCHED ENDED MORE DRY RUN 4 4 yes no")
	require.Contains(t, stderr, "there are more: --page-token next")

	a.sessions.err, a.sessions.ended = errors.New("away"), ended(2)
	code, stdout, _ = a.ctl(both(t), strings.Fields("bulk-revoke --country DE --yes -o json --page-token next")...)
	require.Equal(t, 5, code)
	var out struct {
		Results []struct{ Hash, Result string }
		Ended   int
		More    bool
		Error   struct{ Exit int }
		Next    string `json:"next_page_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &out), stdout)
	require.Len(t, out.Results, 2)
	require.Equal(t, []any{2, true, 5, "next"}, []any{out.Ended, out.More, out.Error.Exit, out.Next})
}

// Thousands of users come from a file, a thousand with each call.
func TestCtlRevokesManyUsers(t *testing.T) {
	a := serve(t, false, manyCalls)
	var ids strings.Builder
	for i := range 1500 {
		ids.WriteString(strings.Repeat("1", 1+i%9) + "\n")
	}
	code, _, stderr := a.ctl(both(t), "bulk-revoke", "--users-file", admintest.File(t, "users", []byte(ids.String())), "--yes")
	require.Zero(t, code, stderr)
	var n []int
	for _, asked := range a.sessions.calls() {
		n = append(n, len(asked.([]any)[1].(sessions.Bulk).UserIDs))
	}
	require.Equal(t, []int{1000, 500}, n)
}

// A command that is repeated with its key does nothing twice, though it takes several
// calls, and shows the same.
func TestACommandWithAKeyIsDoneOnce(t *testing.T) {
	a := serve(t, false, manyCalls)
	a.sessions.pages = 3
	line := strings.Fields("bulk-revoke --country DE --yes --idempotency-key k1 --reason r --ticket t")
	code, first, stderr := a.ctl(both(t), line...)
	require.Zero(t, code, stderr)
	asked := len(a.sessions.calls())
	require.Equal(t, 3, asked)
	code, again, stderr := a.ctl(both(t), line...)
	require.Zero(t, code, stderr)
	require.Equal(t, first, again)
	require.Len(t, a.sessions.calls(), asked)
	code, _, stderr = a.ctl(both(t), strings.Fields("revoke 2 --idempotency-key k1 -o json")...)
	require.Equal(t, 3, code)
	require.Contains(t, stderr, `"code":"AlreadyExists"`)
}

// The audit log is exported whole, whatever the size of a page, and what was written
// before an error stays, with the place to go on.
func TestCtlExportsTheAuditLog(t *testing.T) {
	a := serve(t, false, manyCalls)
	for range 1200 {
		a.rows.rows = append(a.rows.rows, audit.Entry{Method: "GetConfig", Caller: "x", Note: "=1"})
	}
	code, stdout, stderr := a.ctl(both(t), "audit", "--export", "csv")
	require.Zero(t, code, stderr)
	rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1201)
	require.Equal(t, "'=1", rows[1][11])

	a.rows.failAt = 2
	code, stdout, stderr = a.ctl(both(t), "audit", "--export", "ndjson")
	require.Equal(t, 5, code)
	require.Equal(t, 500, strings.Count(stdout, "\n"))
	require.Contains(t, stderr, "500 rows are written; the rest: --page-token ")
	_, token, _ := strings.Cut(strings.TrimSpace(strings.Split(stderr, "\n")[0]), "--page-token ")
	code, stdout, _ = a.ctl(both(t), "audit", "--export", "ndjson", "--page-token", token)
	require.Zero(t, code)
	require.Greater(t, strings.Count(stdout, "\n"), 600)
}

// ctl speaks gRPC. The port of REST answers it by HTTP/1, and both are named side by side
// in the configuration.
func TestCtlOnThePortOfRest(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, _, stderr := a.ctl(both(t), "list", "--addr", a.rest)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "this looks like the port of Admin.Rest; ctl needs that of Admin.ListenOn (Unavailable)\n")
}

func TestCtlFollows(t *testing.T) {
	a := serve(t, false, manyCalls)
	code, stdout, stderr := a.ctl(both(t), strings.Fields("events --once --user 778 --type session.revoked")...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "session.revoked   user 778  2  by-admin")
	require.Equal(t, "go on with: --after later\n", stderr)
	code, stdout, _ = a.ctl(both(t), strings.Fields("events --once -o json --after oldest")...)
	require.Zero(t, code)
	require.JSONEq(t, `{"reason":"by-admin","session":{"hash":"2","user_id":"778"}}`, stdout)

	code, stdout, stderr = a.ctl(both(t), strings.Fields("watch --count 1")...)
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"TIME LIVE ONLINE SIGN-INS/MIN UNCONFIRMED LAG DEAD"}, lines(stdout)[:1])
	code, stdout, _ = a.ctl(both(t), strings.Fields("watch --count 2 --interval 1s -o json")...)
	require.Zero(t, code)
	require.Equal(t, 2, strings.Count(stdout, "\n"))
	require.Contains(t, stdout, `"online":"7"`)
}

// Completion knows every command and flag; the shells that are there can read it.
func TestCompletion(t *testing.T) {
	a := serve(t, false, manyCalls)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, script, stderr := a.ctl("", "completion", shell)
		require.Zero(t, code, stderr)
		for _, word := range []string{"bulk-revoke", "webhooks", "dead", "idempotency-key", "users-file", "limit-per-device-type", "webhooks:retry"} {
			require.Contains(t, script, word, shell)
		}
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not here: its script is not read", shell)
			continue
		}
		out, err := exec.Command(shell, "-n", admintest.File(t, "script."+shell, []byte(script))).CombinedOutput()
		require.NoError(t, err, "%s: %s", shell, out)
	}
	_, script, _ := a.ctl("", "completion", "bash")
	for line, want := range map[string]string{
		"authsession ctl web":                        "webhooks",
		"authsession ctl webhooks re":                "retry",
		"authsession ctl policy set --stra":          "--strategy",
		"authsession ctl bulk-revoke --netw":         "--network",
		"authsession ctl list -o j":                  "json",
		"authsession ctl list --user 5 --sort las":   "last_active",
		"authsession ctl webhooks retry billing --a": "--addr --all",
	} {
		words := strings.Fields(line)
		test := script + "\nCOMP_WORDS=(" + line + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_authsession\necho ${COMPREPLY[@]}\n"
		out, err := exec.Command("bash", "-c", test).CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
		require.Equal(t, want, strings.TrimSpace(string(out)), "%s (%d words)", line, len(words))
	}
}
