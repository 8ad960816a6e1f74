package dao

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The logins of a stock install all have old dates of their own, and some of
// them old devices: a scan in small windows returns each idle one once.
func TestAScanOfIdleLoginsGoesInWindows(t *testing.T) {
	s := newStore(t)
	const logins, old, before = 100, now - 1000, now - 500
	var users, devices strings.Builder
	var want []int64
	for id := 1; id <= logins; id++ {
		active := now
		if id%3 == 0 {
			active = old
			want = append(want, int64(id))
		}
		fmt.Fprintf(&users, ",(%d,%d,%d,7,%d)", id, id, id, old+id/10) // ten of a date
		fmt.Fprintf(&devices, ",(%d,6,'null',%d)", id, active)
	}
	s.exec("INSERT INTO auth_users(id, auth_key_id, user_id, date_created, date_active) VALUES " + users.String()[1:])
	s.exec("INSERT INTO auths(auth_key_id, api_id, params, date_active) VALUES " + devices.String()[1:])
	for _, window := range []int{1, 7, 10, 99, 100, 101} {
		for _, limit := range []int{1, 5, 33, 1000} {
			scan := s.nodes[0].ScanIdle(before)
			scan.window = window
			var got []int64
			for {
				ids, err := scan.Next(t.Context(), limit)
				require.NoError(t, err)
				require.LessOrEqual(t, len(ids), limit)
				got = append(got, ids...)
				if len(ids) < limit {
					break
				}
			}
			require.Equal(t, want, got, "window %d, limit %d", window, limit)
		}
	}
	n, err := s.nodes[0].CountIdle(t.Context(), before)
	require.NoError(t, err)
	require.Equal(t, len(want), n)
}

// However few logins end at a time, a window is read once.
func TestAWindowOfAScanIsReadOnce(t *testing.T) {
	s := newStore(t)
	const logins = 20
	for id := range logins {
		s.exec("INSERT INTO auth_users(auth_key_id, user_id, date_active) VALUES (?, ?, ?)", id+1, id+1, now-1000)
	}
	scan := s.nodes[0].ScanIdle(now)
	ids, err := scan.Next(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, ids, 1)
	nothing, cancel := context.WithCancel(t.Context()) // can be read
	cancel()
	ids, err = scan.Next(nothing, logins-1)
	require.NoError(t, err)
	require.Len(t, ids, logins-1)
}
