package console

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kind is a client as it presents itself.
type kind struct {
	apiID                                 int
	device, model, system, version, packs string
}

var kinds = []kind{
	{6, "android", "Google Pixel 9", "SDK 36", "12.1.1", "android"},
	{6, "android", "Samsung Galaxy S25", "SDK 35", "12.1.0", "android"},
	{10840, "ios", "iPhone 17 Pro", "26.1", "12.2", "ios"},
	{10840, "ios", "iPad Air", "26.0", "12.2", "ios"},
	{2040, "desktop", "ThinkPad X1 Carbon", "Windows 11 x64", "6.3.1", "tdesktop"},
	{2834, "desktop", "MacBook Pro", "macOS 26.1", "12.1", "macos"},
	{2496, "web", "Chrome 142", "Linux", "2.2 K", "webk"},
	{6, "android", "Xiaomi 15", "SDK 35", "12.0.4", "android"},
}

type spot struct{ ip, country, region string }

var spots = []spot{
	{"203.0.113.24", "Berlin, Germany", "DE"},
	{"198.51.100.7", "Lisbon, Portugal", "PT"},
	{"192.0.2.61", "Osaka, Japan", "JP"},
	{"203.0.113.90", "Toronto, Canada", "CA"},
	{"2001:db8:42::7", "Nairobi, Kenya", "KE"},
	{"198.51.100.201", "São Paulo, Brazil", "BR"},
	{"192.0.2.133", "Warsaw, Poland", "PL"},
	{"203.0.113.177", "Mumbai, India", "IN"},
}

// seed gives the lab's database logins that nobody has made, so that there is
// something to see: user first has the first ones, and some ended ones.
func seed(t *testing.T, l *lab, first int64, logins int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Now().Unix()
	for i := range logins {
		k, at := kinds[r.IntN(len(kinds))], spots[r.IntN(len(spots))]
		user := 2000 + int64(r.IntN(logins/3+1))
		created := now - int64(r.IntN(40*86400))
		if i%3 == 0 {
			created = now - int64(r.IntN(3600))
		}
		active := min(now-int64(r.IntN(900)), now)
		if i%4 == 1 {
			active = created + (now-created)*int64(r.IntN(100))/100
		}
		active = max(active, created)
		if i < 7 {
			user, k, at = first, kinds[[]int{4, 2, 0, 6, 3, 1, 5}[i]], spots[[]int{0, 0, 1, 0, 2, 3, 0}[i]]
			created = now - int64(1+i*11)*86400/2
			active = now - int64(i*i)*7000
		}
		var revoked, reason, unconfirmed int64
		by := ""
		if i%6 == 4 || i == 5 {
			revoked, reason = min(active+600, now), []int64{1, 2, 3, 5, 6}[r.IntN(5)]
			if i == 5 {
				reason = 3
			}
			by = map[int64]string{1: "user", 2: "user", 3: "admin:alice", 5: "cleanup", 6: "sign-in"}[reason]
		} else if i%17 == 3 {
			unconfirmed = now + 86400
		}
		key := int64(900_000_000 + i)
		addresses, err := json.Marshal([]map[string]any{
			{"ip": at.ip, "country": at.country, "region": at.region, "first": created, "last": active},
			{"ip": "198.51.100.88", "country": "Amsterdam, Netherlands", "region": "NL", "first": created - 86400, "last": created},
		})
		require.NoError(t, err)
		for _, s := range []string{
			fmt.Sprintf("INSERT INTO auths(auth_key_id, layer, api_id, device_model, system_version, app_version, lang_pack, lang_code, params, client_ip, date_active, country, region)"+
				" VALUES (%d, 223, %d, '%s', '%s', '%s', '%s', 'en', 'null', '%s', %d, '%s', '%s')", key, k.apiID, k.model, k.system, k.version, k.packs, at.ip, active, at.country, at.region),
			fmt.Sprintf("INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type, deleted, revoked_at, revoke_reason, revoked_by, unconfirmed_until, addresses)"+
				" VALUES (%d, %d, %d, %d, %d, '%s', %v, %d, %d, '%s', %d, '%s')", key, user, r.Int64(), created, active, k.device, revoked > 0, revoked, reason, by, unconfirmed, addresses),
		} {
			_, err := l.db.Exec(s)
			require.NoError(t, err, s)
		}
	}
}
