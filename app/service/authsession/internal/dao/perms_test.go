package dao

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Which perm key a temp key had is a guess that saves a round trip. A wrong one costs
// one more, and nobody gets another's login.
func TestAWrongGuessOfAPermKeyIsNotBelieved(t *testing.T) {
	s := newStore(t)
	d := s.nodes[0]
	s.login(d, 777, 1)
	s.login(d, 888, 2)
	s.exec("INSERT INTO auth_key_infos(auth_key_id, auth_key_type, perm_auth_key_id) VALUES (3, 1, 1)")
	s.exec("INSERT INTO auth_keys(auth_key_id, body) VALUES (3, 'AAAA')")
	for name, guess := range map[string]int64{"none": 0, "right": 1, "another's": 2, "of no key": 99} {
		t.Run(name, func(t *testing.T) {
			d.perms = perms{}
			if guess != 0 {
				d.perms.put(3, guess)
			}
			for range 2 {
				k, l, err := d.LoginOf(t.Context(), 3)
				require.NoError(t, err)
				require.EqualValues(t, 1, k.PermAuthKeyID)
				require.EqualValues(t, 777, l.BindUser.UserID)
				require.EqualValues(t, 1, d.perms.get(3))
			}
		})
	}
	_, _, err := d.LoginOf(t.Context(), 4)
	require.ErrorIs(t, err, ErrNotFound)
}

func TestPermsForgetsWhatIsNotAskedFor(t *testing.T) {
	var p perms
	p.put(-1, 7)
	for id := int64(1); id <= 4*maxPerms; id++ {
		p.put(id, id+1)
		if id == maxPerms {
			require.Zero(t, p.get(-1))
			p.put(-1, 8)
		}
		if id > maxPerms {
			require.EqualValues(t, 8, p.get(-1))
			p.put(-1, 8) // is asked for
		}
		require.LessOrEqual(t, len(p.now)+len(p.last), maxPerms)
	}
	require.Zero(t, p.get(1))
	require.EqualValues(t, 4*maxPerms+1, p.get(4*maxPerms))
}
