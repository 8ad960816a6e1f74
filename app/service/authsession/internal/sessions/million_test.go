package sessions_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// A list of a million sessions (TEST_LIST_ROWS, by make bench-authsession):
// its last pages take no longer than twice its first ones, whatever it selects,
// and every session is on one page. The test tells how long it takes then to count
// them, to end those of a user with 1,000 devices, and to clean up a tenth.
func TestAcceptance8PagesTakeTheSameTime(t *testing.T) {
	rows, err := strconv.Atoi(os.Getenv("TEST_LIST_ROWS"))
	if err != nil {
		t.Skip("TEST_LIST_ROWS is not set: make bench-authsession sets it")
	}
	dsn := testenv.DSN(t, true)
	db := testenv.Open(t, dsn)
	began := time.Now()
	testenv.Fill(t, db, rows, began.Unix(), "auths", "auth_users")
	t.Logf("%d rows in %v", rows, time.Since(began).Round(time.Second))
	conf := testenv.Config(dsn, testenv.Variable(t, "TEST_REDIS_ADDR"))
	pool, err := dao.OpenMysql(t.Context(), svc.Pool(conf.Mysql), false)
	require.NoError(t, err)
	d := dao.New(t.Context(), pool, svc.Store(conf, time.Now, nil))
	t.Cleanup(func() { d.Close() })
	m := sessions.New(d, nil, false)
	exec := func(query string, args ...any) {
		_, err := db.Exec(query, args...)
		require.NoError(t, err)
	}

	yes := true
	for name, f := range map[string]sessions.Filter{
		"all":        {},
		"live":       {Active: &yes},
		"by device":  {DeviceType: "ios"},
		"by app":     {APIID: 4},
		"none there": {APIID: 99, DeviceType: "bot"},
	} {
		t.Run(name, func(t *testing.T) {
			var took []time.Duration
			listed, token := 0, ""
			for {
				began := time.Now()
				list, next, err := m.List(t.Context(), f, sessions.Page{Size: 500, Token: token})
				took = append(took, time.Since(began))
				require.NoError(t, err)
				listed += len(list)
				if token = next; next == "" {
					break
				}
			}
			if name == "all" {
				require.Equal(t, rows, listed)
			}
			took = took[1:] // the first is before the server is warm
			few := max(1, min(50, len(took)/4))
			first, last := typical(took[:few]), typical(took[len(took)-few-1:len(took)-1])
			t.Logf("%d sessions on %d pages; first pages %v, last pages %v, slowest %v", listed, len(took)+1,
				first.Round(time.Microsecond), last.Round(time.Microsecond), slices.Max(took).Round(time.Microsecond))
			require.LessOrEqual(t, last, 2*first)
		})
	}
	t.Run("count", func(t *testing.T) {
		began := time.Now()
		counted, err := m.Statistics(t.Context())
		require.NoError(t, err)
		require.NotZero(t, counted)
		t.Logf("%v", time.Since(began).Round(time.Millisecond))
	})
	t.Run("end all of a user", func(t *testing.T) {
		const user, devices = 1 << 40, 1000
		exec("UPDATE auth_users SET user_id = ? WHERE deleted = 0 ORDER BY id DESC LIMIT ?", user, devices)
		began := time.Now()
		ended, err := m.Revoke(t.Context(), sessions.Selection{UserID: user}, sessions.By{Actor: "test"})
		require.NoError(t, err)
		require.Len(t, ended, min(devices, rows/5*4))
		t.Logf("%d devices in %v", len(ended), time.Since(began).Round(time.Millisecond))
	})
	t.Run("clean-up", func(t *testing.T) {
		idle := rows / 10
		exec("UPDATE auth_users u JOIN auths a USING (auth_key_id) SET u.date_active = ?, a.date_active = ? WHERE u.auth_key_id < ?",
			began.AddDate(-1, 0, 0).Unix(), began.AddDate(-1, 0, 0).Unix(), idle/4*5)
		s, err := lifecycle.Cleanup{Dao: d, Manager: m, OlderThan: 180 * 24 * time.Hour, Batch: 500, Limit: idle, Actor: "test"}.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, idle, s.Sessions)
		t.Logf("%d sessions in %d batches in %v", s.Sessions, s.Batches, s.Took.Round(time.Millisecond))
	})
}

// typical is a time that a fifth of them keep below: what else the machine does
// makes the others longer.
func typical(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/5]
}
