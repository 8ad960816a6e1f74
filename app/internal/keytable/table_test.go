package keytable

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/discov"
)

type embedded struct {
	Limit int `json:",optional"`
}

type element struct {
	Name  string
	Pause time.Duration `json:",default=1s"`
}

type settings struct {
	embedded
	Etcd  discov.EtcdConf `json:",optional"`
	List  []element       `json:",optional"`
	Ratio float64         `json:",default=0.5,range=[0:1)"`
	Token string          `json:",optional"`
}

func rows() Table {
	return Table{
		{Key: "Limit", Default: 7, Min: 1, Max: 9, Unit: "things", Doc: "A limit."},
		{Key: "Etcd", Block: true, Doc: "Where it is."},
		{Key: "Etcd.Pass", Secret: true},
		{Key: "List[].Name", Doc: "A name."},
		{Key: "List[].Pause", Min: time.Second, OrZero: true, Reload: Live, Doc: "A pause."},
		{Key: "Ratio", Doc: "A ratio."},
		{Key: "Token", Secret: true, Doc: "A token."},
	}
}

// A table and a struct that do not fit each other are told apart, in both directions.
func TestProblems(t *testing.T) {
	require.Empty(t, rows().Problems(&settings{}))
	for want, change := range map[string]func(Table) Table{
		"Token has no row":                                           func(t Table) Table { return t[:6] },
		"Extra is no key of the configuration":                       func(t Table) Table { return append(t, Row{Key: "Extra", Doc: "x"}) },
		"Limit has two rows":                                         func(t Table) Table { return append(t, Row{Key: "Limit", Doc: "x"}) },
		"Ratio has no text":                                          func(t Table) Table { t[5].Doc = ""; return t },
		"Ratio has a default in its row and another in its tag":      func(t Table) Table { t[5].Default = 0.1; return t },
		"Limit has a default of type string":                         func(t Table) Table { t[0].Default = "7"; return t },
		"Etcd.Pass looks like a secret, and its row does not say so": func(t Table) Table { return append(t[:2:2], t[3:]...) },
		"List[].Pause is not go-zero's and has no row, but the block List": func(t Table) Table {
			t[4] = Row{Key: "List", Block: true, Doc: "x"}
			return t
		},
	} {
		require.Contains(t, change(rows()).Problems(&settings{}), want)
	}
	require.Panics(t, func() { Table{{Key: "None", Default: 1}}.SetDefaults(&settings{}) })
}

func TestDefaultsAndRanges(t *testing.T) {
	var s settings
	rows().SetDefaults(&s)
	require.Equal(t, 7, s.Limit)
	require.NoError(t, rows().Validate(&s, nil))
	s.Limit = 10
	require.EqualError(t, rows().Validate(&s, nil), "Limit is 10, want 1 to 9")
	require.NoError(t, rows().Validate(&s, func(key string) bool { return key == "Limit" }))
	s.Limit = 9
	s.List = []element{{Pause: 0}, {Pause: time.Second}, {Pause: time.Millisecond}}
	require.EqualError(t, rows().Validate(&s, nil), "List[2].Pause is 1ms, want 0s, or 1s or more")
}

func TestChangedKeys(t *testing.T) {
	a, b := settings{List: []element{{Name: "a"}}}, settings{List: []element{{Name: "a", Pause: time.Minute}}}
	live, restart := rows().Changed(&a, &b)
	require.Equal(t, []string{"List[0].Pause"}, live)
	require.Empty(t, restart)
	b.List, b.Limit = append(b.List, element{}), 3
	_, restart = rows().Changed(&a, &b)
	require.Equal(t, []string{"Limit", "List"}, restart)
	c := settings{Etcd: discov.EtcdConf{Hosts: []string{}}}
	live, restart = rows().Changed(&settings{}, &c)
	require.Empty(t, append(live, restart...), "an empty list says as much as none")
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h", 10 * time.Hour: "10h",
		time.Hour + time.Second: "1h0m1s", 61 * time.Minute: "1h1m", -time.Minute: "-1m", 1500 * time.Millisecond: "1.5s",
	} {
		require.Equal(t, want, duration(d))
		back, err := time.ParseDuration(want)
		require.NoError(t, err)
		require.Equal(t, d, back)
	}
}

func TestPage(t *testing.T) {
	require.Equal(t, "| Key | Default | Range | Reload | Meaning |\n|---|---|---|---|---|\n"+
		"| `Limit` | `7` | 1 to 9 things |  | A limit. |\n"+
		"| `Etcd` | | | | Where it is. |\n"+
		"| `List[].Name` | required |  |  | A name. |\n"+
		"| `List[].Pause` | `1s` | 0s, or 1s or more | yes | A pause. |\n"+
		"| `Ratio` | `0.5` | 0 to below 1 |  | A ratio. |\n"+
		"| `Token` | none |  |  | A token. Secret: the file that holds it may be named instead, as `TokenFile`. |\n"+
		"\n- `Etcd`: `Hosts`, `Key`, `ID`, `User`, `Pass` (secret), `CertFile`, `CertKeyFile`, `CACertFile`, `InsecureSkipVerify`\n",
		rows().Page(&settings{}))

	file := filepath.Join(t.TempDir(), "page.md")
	require.NoError(t, os.WriteFile(file, []byte("a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n"), 0o600))
	content, stale, err := Section(file, "x", "new\n")
	require.NoError(t, err)
	require.True(t, stale)
	require.Equal(t, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n", content)
	_, stale, err = Section(file, "x", "old\n")
	require.NoError(t, err)
	require.False(t, stale)
	_, _, err = Section(file, "y", "")
	require.ErrorContains(t, err, "has no lines")
}
