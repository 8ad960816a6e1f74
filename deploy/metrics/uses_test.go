package metrics

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	all := []Metric{
		{Name: "session_x_total", Type: "counter", Package: ours + "x", Labels: []Label{{Name: "how", Values: []string{"fast", "outcome lost"}}}},
		{Name: "session_y_ms", Type: "histogram", Package: ours + "y", Labels: []Label{{Name: "group", Computed: []string{"m.Group"}}}},
	}
	for _, c := range []struct{ name, expr, want string }{
		{"right", `sum by (how) (rate(session_x_total{how=~"fast|outcome lost",job="session"}[5m])) > 0`, ""},
		{"a bucket", `histogram_quantile(0.99, rate(session_y_ms_bucket{group="RPCUsers",le="1"}[5m]))`, ""},
		{"others'", `up{job="session"} == 0 and go_sql_wait_count_total{db_name="mysql"} > process_open_fds`, ""},
		{"recorded", `tgsession:session_failed:ratio5m{group!="RPCFiles"} > 0`, ""},
		{"gone", `rate(session_z_total[5m])`, "no service has the metric session_z_total"},
		{"a histogram alone", `session_y_ms`, "no service has the metric session_y_ms"},
		{"no such label", `session_x_total{why="fast"}`, "session_x_total has no label why"},
		{"no such value", `session_x_total{how=~"fast|slow"}`, `its label how is never "slow"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check(all, c.expr)
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestSelectors(t *testing.T) {
	for _, c := range []struct {
		expr string
		want []string
	}{
		{`up{job="session"} == 0`, []string{"up"}},
		{`histogram_quantile(0.99, sum by (group, le) (rate(session_y_ms_bucket{instance=~"$instance"}[5m])))`, []string{"session_y_ms_bucket"}},
		{`x:y:z5m{group!="a"} > 1 and on (group) sum by (group) (rate(a_b{code="500",job="c"}[5m])) > a_b`, []string{`x:y:z5m{group!="a"}`, `a_b{code="500"}`, "a_b"}},
		{`a_b > 0 or (a_b > 0 unless a_b offset 15m)`, []string{"a_b"}},
	} {
		require.Equal(t, c.want, Selectors(c.expr), c.expr)
	}
}
