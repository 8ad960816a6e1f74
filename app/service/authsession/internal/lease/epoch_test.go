package lease

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/service/authsession/internal/testenv"
)

func epochOf(t *testing.T, r *testenv.Redis) string {
	info := r.Do("INFO", "replication").(string)
	_, rest, found := strings.Cut(info, "master_replid:")
	require.True(t, found)
	return rest[:16]
}

// A value is JSON with the epoch as a member that stock ignores; "*" stands for
// nothing.
func TestForms(t *testing.T) {
	r := testenv.StartRedis(t)
	c := open(t, r.Address, &book{})
	life := func() time.Duration { return time.Duration(r.Do("PTTL", "k").(int64)) * time.Millisecond }
	var db atomic.Int64
	require.Nil(t, read(t, c, &db))
	require.Equal(t, "*", r.Do("GET", "k"))
	require.InDelta(t, time.Minute, life(), float64(time.Minute)*0.06)
	require.Nil(t, read(t, c, &db))

	change(c, func() { db.Store(8) }, "k")
	require.EqualValues(t, 8, read(t, c, &db).N)
	require.Equal(t, `{"cache_epoch":"`+epochOf(t, r)+`","n":8}`, r.Do("GET", "k"))
	require.InDelta(t, time.Hour, life(), float64(time.Hour)*0.06)
	require.Zero(t, r.Do("EXISTS", "guard{k}"))
	var stock value
	require.NoError(t, json.Unmarshal([]byte(r.Do("GET", "k").(string)), &stock))
	require.EqualValues(t, 8, stock.N)

	type empty struct{}
	for range 2 {
		got, err := Load(t.Context(), c, "test", "e", func(context.Context) (*empty, bool, error) { return &empty{}, true, nil })
		require.NoError(t, err)
		require.NotNil(t, got)
	}
	require.Equal(t, `{"cache_epoch":"`+epochOf(t, r)+`"}`, r.Do("GET", "e"))
}

// What is not known to be of this life of this Redis is not believed, and
// replaced.
func TestWhatIsNotBelieved(t *testing.T) {
	r := testenv.StartRedis(t)
	c := open(t, r.Address, &book{})
	epoch := epochOf(t, r)
	var db atomic.Int64
	db.Store(8)
	for name, text := range map[string]string{
		"a stock node's":     `{"n":7}`,
		"of another epoch":   `{"cache_epoch":"0123456789abcdef","n":7}`,
		"nothing, unmarked":  "*",
		"unreadable":         `{"cache_epoch":"` + epoch + `",garbage`,
		"not even an object": "garbage",
	} {
		r.Do("SET", "k", text)
		require.EqualValues(t, 8, read(t, c, &db).N, name)
		require.Equal(t, `{"cache_epoch":"`+epoch+`","n":8}`, r.Do("GET", "k"), name)
	}
	r.Do("SET", "k", `{"cache_epoch":"`+epoch+`","n":9}`)
	require.EqualValues(t, 9, read(t, c, &db).N, "ours is")
}

// Whatever brings a Redis's data back to an earlier state changes its epoch: no
// value, no mark of nothing and no reader's token from before counts.
func TestAnEpochEndsWhatWasBefore(t *testing.T) {
	for name, goBack := range map[string]func(r *testenv.Redis) (now *testenv.Redis){
		"restart from a dump": func(r *testenv.Redis) *testenv.Redis {
			r.Do("SAVE")
			r.Kill()
			r.Start()
			return r
		},
		"a replica is promoted": func(r *testenv.Redis) *testenv.Redis {
			replica := testenv.StartRedis(t)
			replica.Follow(r)
			replica.Do("REPLICAOF", "NO", "ONE")
			return replica
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := testenv.StartRedis(t)
			network := tcpproxy.Start(t, r.Address)
			c := open(t, network.Addr(), &book{})
			var db atomic.Int64
			db.Store(1)
			require.EqualValues(t, 1, read(t, c, &db).N)
			loaded, goOn, filled := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(filled)
				_, _ = Load(context.Background(), c, "test", "slow", func(context.Context) (*value, bool, error) {
					close(loaded)
					<-goOn
					return &value{N: 1}, true, nil
				})
			}()
			<-loaded
			r = goBack(r)
			network.Lead(r.Address)
			require.Eventually(t, func() bool { _, _, err := c.askFor(t.Context(), "x", ""); return err == nil }, time.Minute, 5*time.Millisecond)
			db.Store(2) // its delete is what was lost
			require.EqualValues(t, 2, read(t, c, &db).N)
			close(goOn)
			<-filled
			require.Zero(t, r.Do("EXISTS", "slow"))
		})
	}
}

// A Redis that does not say its epoch keeps values for a minute.
func TestWithoutAnEpochValuesLiveAMinute(t *testing.T) {
	m := miniredis.RunT(t)
	c := open(t, m.Addr(), &book{})
	var db atomic.Int64
	db.Store(1)
	read(t, c, &db)
	db.Store(2)
	require.EqualValues(t, 1, read(t, c, &db).N)
	require.InDelta(t, time.Minute, m.TTL("k"), float64(time.Minute)*0.06)

	r := testenv.StartRedis(t)
	r.Do("ACL", "SETUSER", "default", "-info")
	c = open(t, r.Address, &book{})
	read(t, c, &db)
	require.Equal(t, `{"cache_epoch":"","n":2}`, r.Do("GET", "k"))
}

// A Redis that answers and takes no writes could not be told of any: it is not
// believed.
func TestARedisThatRefusesWritesIsNotBelieved(t *testing.T) {
	for name, refuse := range map[string]func(r *testenv.Redis){
		"too few replicas": func(r *testenv.Redis) { r.Do("CONFIG", "SET", "min-replicas-to-write", "1") },
		"a replica":        func(r *testenv.Redis) { r.Follow(testenv.StartRedis(t)) },
		"its dump failed":  func(r *testenv.Redis) { r.BreakDump() },
	} {
		t.Run(name, func(t *testing.T) {
			r := testenv.StartRedis(t)
			b := &book{}
			one, two := open(t, r.Address, b), open(t, r.Address, b)
			var db atomic.Int64
			db.Store(1)
			require.EqualValues(t, 1, read(t, one, &db).N)
			known := false
			find := func(c *Cache) *value {
				v, err := Load(t.Context(), c, "test", "n", func(context.Context) (*value, bool, error) {
					if known {
						return &value{N: 1}, true, nil
					}
					return nil, true, nil
				})
				require.NoError(t, err)
				return v
			}
			require.Nil(t, find(one))
			refuse(r)
			known = true
			require.NotNil(t, find(two), "nor is it believed that there is nothing")
			change(one, func() { db.Store(2) }, "k")
			require.EqualValues(t, 2, read(t, one, &db).N)
			require.EqualValues(t, 2, read(t, two, &db).N)
			require.Equal(t, 1, b.len(), "it is remembered")
		})
	}
}
