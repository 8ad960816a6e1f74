package clients

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/clients/program"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func table() *Table {
	t := newTable((&Config{}).Names())
	for _, c := range []string{"alpha 1", "beta|2", "gamma 3"} {
		t.add(c)
	}
	t.skip("gamma 3", "npm is not installed")
	t.set("alpha 1", "connect", Cell{Mark: OK, Took: 1500 * time.Millisecond})
	t.set("alpha 1", "login", Cell{Mark: OK, Took: 20 * time.Millisecond, Note: "twice asked"})
	t.set("beta|2", "connect", Cell{Mark: None, Note: "no such thing"})
	t.set("beta|2", "me", Cell{Mark: Past})
	t.set("beta|2", "login", Cell{Mark: Fail, Took: time.Minute, Note: "login:\n401 " + strings.Repeat("x", 400)})
	return t
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	table().Print(&out)
	require.Equal(t, `times in ms     alpha 1  beta|2
key exchange    1500     –
login, sign-up  20       FAIL
who am I                 ·

Failures:
  beta|2, login, sign-up: login: 401 `+strings.Repeat("x", 289)+`…

Not to be had:
  beta|2, key exchange: no such thing

Notes:
  alpha 1, login, sign-up: twice asked

gamma 3 was skipped: npm is not installed
`, out.String())
}

func TestMarkdown(t *testing.T) {
	var out strings.Builder
	table().Markdown(&out)
	require.Equal(t, `| ms | steps passed | login, sign-up | 100 calls in flight, the slowest | 8 MB up and down beside quick calls | message of a 10 s cut, after it | session restarts (SIGTERM), then a message | session is killed (SIGKILL), then a message | login ended elsewhere is felt |
|---|---|---|---|---|---|---|---|---|
| alpha 1 | 2 of 2 | 20 | · | · | · | · | · | · |
| beta\|2 | 0 of 2 | FAIL | · | · | · | · | · | · |

| ms | alpha 1 | beta\|2 |
|---|---|---|
| key exchange | 1500 | – |
| login, sign-up | 20 | FAIL |
| who am I |  | · |

- FAIL beta|2, login, sign-up: login: 401 `+strings.Repeat("x", 289)+`…

- – beta|2, key exchange: no such thing

gamma 3 was skipped: npm is not installed
`, out.String())
	require.Equal(t, 1, table().Failed())
}

func TestJudge(t *testing.T) {
	call := func(code int, message string) error {
		return fmt.Errorf("login: %w", &program.CallError{Code: code, Message: message})
	}
	for _, tc := range []struct {
		name string
		err  error
		want Cell
	}{
		{"well", nil, Cell{Mark: OK, Took: time.Second, Note: "slow"}},
		{"an rpc_error", call(401, "AUTH_KEY_UNREGISTERED"), Cell{Mark: Fail, Took: time.Second, Note: "login: 401 AUTH_KEY_UNREGISTERED"}},
		{"an rpc_error of that name", call(400, "unsupported"), Cell{Mark: Fail, Took: time.Second, Note: "login: 400 unsupported"}},
		{"the library has none", call(0, "unsupported: no passwords"), Cell{Mark: None, Note: "no passwords"}},
		{"the step does not apply", none("it has no clock"), Cell{Mark: None, Note: "it has no clock"}},
		{"another step failed", errPast, Cell{Mark: Past}},
		{"no clock", program.ErrNoClock, Cell{Mark: None, Note: program.ErrNoClock.Error()}},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, judge(tc.err, time.Second, "slow")) })
	}
}

func TestStepsHaveNamesOfTheirOwn(t *testing.T) {
	names, about := (&Config{}).Names()
	seen := map[string]bool{}
	for _, s := range append(names, about...) {
		require.NotEmpty(t, s)
		require.False(t, seen[s], s)
		seen[s] = true
	}
}
