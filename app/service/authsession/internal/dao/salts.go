package dao

import (
	"context"

	"github.com/zeromicro/go-zero/core/metric"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
)

// swapScript stores a list of salts if the stored one is still that which the
// new one was made from, and returns what is stored in the end. So of two
// callers that refill at once, both get the same salts.
// ARGV: the former text ("" for none), the new one, its life in seconds.
var swapScript = redisring.NewScript(`
local current = redis.call('GET', KEYS[1]) or ''
if current ~= ARGV[1] then return current end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return ARGV[2]`)

// saltRefills counts by result: stored, lost (another caller was first),
// derived (no Redis: computed from the key).
var saltRefills = metric.NewCounterVec(&metric.CounterVecOpts{
	Namespace: "authsession",
	Subsystem: "salts",
	Name:      "refills_total",
	Help:      "Lists of salts that were made longer, by result: stored, lost (another caller was first), derived (no Redis: computed from the key).",
	Labels:    []string{"result"},
})

// saltAttempts bounds how often a refill is tried while other callers refill the same list.
const saltAttempts = 4

// Salts returns n salts of a key, and earlier ones that are still valid. There are always
// some: without Redis they are computed from the key, alike on every node.
func (d *Dao) Salts(ctx context.Context, k *Key, n int) []salts.Salt {
	now := d.Now()
	text, _, err := d.kv.Get(ctx, saltsKey(k.AuthKeyID))
	for range saltAttempts {
		if err != nil {
			break
		}
		list, answer, changed := salts.Plan(salts.Unmarshal(text), now, d.saltWindow, n, salts.Random)
		if !changed {
			return answer
		}
		var stored string
		if stored, err = d.swapSalts(ctx, k.AuthKeyID, text, list); err == nil {
			if stored == salts.Marshal(list) {
				saltRefills.Inc("stored")
				return answer
			}
			saltRefills.Inc("lost")
			text = stored
		}
	}
	if err != nil {
		redisFailures.Errorf("salts are derived from their key, since Redis does not keep them: %v", err)
	}
	saltRefills.Inc("derived")
	return salts.Derived(k.Body, k.AuthKeyID, now, d.saltWindow, n)
}

// FirstSalt stores the salt that a key exchange ended with. Should Redis not
// take it, the client is told another one in time.
func (d *Dao) FirstSalt(ctx context.Context, id int64, s salts.Salt) {
	if _, err := d.swapSalts(ctx, id, "", []salts.Salt{salts.First(s, d.saltWindow)}); err != nil {
		redisFailures.Errorf("a first salt was not stored: %v", err)
	}
}

func (d *Dao) swapSalts(ctx context.Context, id int64, former string, list []salts.Salt) (stored string, err error) {
	result, err := d.kv.Run(ctx, swapScript, []string{saltsKey(id)}, former, salts.Marshal(list), salts.Life(list, d.saltWindow))
	stored, _ = result.(string)
	return stored, err
}
