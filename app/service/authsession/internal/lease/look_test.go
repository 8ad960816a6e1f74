package lease

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

// withoutScripts has f run on a Redis that refuses scripts.
func withoutScripts(r *testenv.Redis, f func()) {
	r.Do("ACL", "SETUSER", "default", "-eval", "-evalsha")
	defer r.Do("ACL", "SETUSER", "default", "+eval", "+evalsha")
	f()
}

// What is there and is believed takes no script, one or several at a time.
func TestAHitTakesNoScript(t *testing.T) {
	r := testenv.StartRedis(t)
	c := open(t, r.Address, &book{})
	r.Do("SET", "k", `{"cache_epoch":"`+epochOf(t, r)+`","n":1}`)
	r.Do("SET", "l", `{"cache_epoch":"`+epochOf(t, r)+`","n":2}`)
	withoutScripts(r, func() {
		v, err := Load(t.Context(), c, "test", "k", func(context.Context) (*value, bool, error) { t.Error("the database is asked"); return nil, false, nil })
		require.NoError(t, err)
		require.EqualValues(t, 1, v.N)
		for i, one := range c.ReadAll(t.Context(), "k", "l") {
			require.NoError(t, one.err)
			require.Equal(t, r.Do("GET", []string{"k", "l"}[i]), one.text)
			require.Empty(t, one.token)
		}
		require.ErrorContains(t, c.ReadAll(t.Context(), "k", "missing")[1].err, "NOPERM")
	})
	both := c.ReadAll(t.Context(), "k", "missing")
	require.Equal(t, r.Do("GET", "k"), both[0].text)
	require.Equal(t, r.Do("GET", "guard{missing}"), both[1].token)
	require.Empty(t, both[1].text)
}

// A writer may come right after the value was told: its guard is not the reader's to
// remove, or another reader would store what the writer is about to change.
func TestAHitLeavesAWritersGuard(t *testing.T) {
	r := testenv.StartRedis(t)
	c := open(t, r.Address, &book{})
	r.Do("SET", "k", `{"cache_epoch":"`+epochOf(t, r)+`","n":1}`)
	r.Do("SET", "guard{k}", "writer")
	var db atomic.Int64
	db.Store(2)
	require.EqualValues(t, 1, read(t, c, &db).N)
	require.Equal(t, r.Do("GET", "k"), c.ReadAll(t.Context(), "k")[0].text)
	require.Equal(t, "writer", r.Do("GET", "guard{k}"))
}

// A replica has the primary's values and its ID, also one that takes writes.
func TestAReplicaThatTakesWritesIsNotBelieved(t *testing.T) {
	primary, replica := testenv.StartRedis(t), testenv.StartRedis(t)
	replica.Follow(primary) // the first replica gives a Redis a new epoch
	primary.Do("SET", "k", `{"cache_epoch":"`+epochOf(t, primary)+`","n":1}`)
	require.EqualValues(t, 1, primary.Do("WAIT", "1", "30000"))
	replica.Do("CONFIG", "SET", "replica-read-only", "no")
	require.Equal(t, epochOf(t, primary), epochOf(t, replica))
	c := open(t, replica.Address, &book{})
	require.ErrorContains(t, c.ReadAll(t.Context(), "k")[0].err, "READONLY")
	var db atomic.Int64
	db.Store(2)
	require.EqualValues(t, 2, read(t, c, &db).N)
}

// What a look is refused is the read's error: a script would be refused, too.
func TestARefusedLookIsAnError(t *testing.T) {
	r := testenv.StartRedis(t)
	c := open(t, r.Address, &book{})
	r.Do("SET", "k", `{"cache_epoch":"`+epochOf(t, r)+`","n":1}`)
	r.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	r.Do("CONFIG", "RESETSTAT")
	require.ErrorContains(t, c.ReadAll(t.Context(), "k")[0].err, "NOREPLICAS")
	require.NotContains(t, r.Do("INFO", "commandstats"), "eval")
}

func TestWrittenAt(t *testing.T) {
	const origin = "0123456789abcdef0123456789abcdef01234567"
	for text, want := range map[string]bool{
		`{"cache_epoch":"0123456789abcdef","n":1}`:  true,
		`{"cache_epoch":"0123456789abcdef"}`:        true,
		`{"cache_epoch":"0123456789abcde0","n":1}`:  false,
		`{"cache_epoch":"0123456789abcdef0","n":1}`: false,
		`{"cache_epoch":"0123456789abcdef`:          false,
		`{"cache_epoch":"0123456789abcde","n":1}`:   false,
		`{"cache_epoch":"","n":1}`:                  false,
		`{"cache_epoch":"`:                          false,
		`{"n":1}`:                                   false,
		"*":                                         false,
		"":                                          false,
	} {
		require.Equal(t, want, writtenAt(text, origin), text)
		require.False(t, writtenAt(text, ""), text)
		require.False(t, writtenAt(text, "0123456789abcde"), text)
	}
}
