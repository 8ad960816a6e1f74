package console

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/integration/servers"
)

const (
	tries = 5
	// slowest is what no page takes, on whatever machine.
	slowest = 5000.0 // ms
)

// The pages among so many logins as TEST_CONSOLE_LOGINS says, on a real MariaDB: how
// long each takes in the browser, from the press of a key until all of it is shown.
func TestManyLogins(t *testing.T) {
	program, chromium := programs(t)
	logins, err := strconv.Atoi(os.Getenv("TEST_CONSOLE_LOGINS"))
	if err != nil {
		t.Skip("TEST_CONSOLE_LOGINS names no number: make bench-console does")
	}
	s := servers.Start(t)
	l := run(t, program, "-mysql", s.DSN, "-redis", s.Redis, "-etcd", s.Etcd)
	began := time.Now()
	fill(t, l, logins)
	t.Logf("%d logins of %d users, filled in by SQL in %v", logins, logins/4, time.Since(began).Round(time.Second))
	b := start(t, chromium)
	b.signIn(l, l.token)
	last := fmt.Sprint(1 + (logins-1)/4)
	for _, p := range []struct{ what, hash, until string }{
		{"overview", "#/", "Latest sign-ins"},
		{"logins, first page", "#/logins", "1–50"},
		{"logins in Germany", "#/logins?country=DE", "1–50"},
		{"logins on a Pixel, by search", "#/logins?q=Pixel", "1–50"},
		{"logins of one address", "#/logins?q=10.0.3.7", "10.0.3.7"},
		{"logins in a country where nobody is", "#/logins?country=AQ", "more to look through|No login is like this"},
		{"idle longest", "#/logins?sort=idle", "1–50"},
		{"web on iOS, ended", "#/logins?active=false&device_type=web", "1–50"},
		{"a user with 4 logins", "#/users/" + last, "Pixel"},
		{"a user with 1000 logins", "#/users/1", "Pixel"},
		{"history of a user", "#/users/" + last + "/history", "Ended"},
		{"the form of End by filter", "#/end?country=DE", "Count what would end"},
		{"audit log", "#/audit", "127.0.0.1"},
	} {
		var took []float64
		for range tries {
			b.open("#/nowhere")
			took = append(took, b.times(p.hash, p.until))
		}
		slices.Sort(took)
		t.Logf("%-40s %5.0f ms (%.0f to %.0f)", p.what, took[tries/2], took[0], took[tries-1])
		require.Less(t, took[tries/2], slowest, "%s; the page shows: %s", p.what, b)
	}
	b.calm(l.origin())
}

// times opens a page and returns how many milliseconds pass until it shows what an expression matches and
// nothing of it is busy.
func (b *browser) times(hash, expression string) float64 {
	b.t.Helper()
	return eval[float64](b, fmt.Sprintf(`(async () => {
  const from = performance.now();
  location.hash = %s;
  const shown = () => new RegExp(%s).test(document.body.innerText) && !document.querySelector('[aria-busy]');
  do await new Promise(requestAnimationFrame); while (!shown() && performance.now() - from < 14000);
  return performance.now() - from;
})()`, quote(hash), quote(expression)))
}

// fill puts logins into the database: four a user, one in five of them ended, in eight
// countries; and a thousand of user 1.
func fill(t *testing.T, l *lab, logins int) {
	t.Helper()
	now := time.Now().Unix()
	const of = `FROM seq_0_to_%d`
	for _, s := range []string{
		fmt.Sprintf(`INSERT INTO auths(auth_key_id, layer, api_id, device_model, system_version, app_version, lang_pack, lang_code, params, client_ip, date_active, country, region)
 SELECT 5000000000 + seq, 223, ELT(1 + seq %% 3, 6, 10840, 2496), ELT(1 + seq %% 3, 'Google Pixel 9', 'iPhone 17 Pro', 'Chrome 142'), ELT(1 + seq %% 3, 'SDK 36', '26.1', 'Linux'), '12.1',
 ELT(1 + seq %% 3, 'android', 'ios', 'webk'), 'en', 'null', CONCAT('10.0.', seq DIV 256 %% 256, '.', seq %% 256), %d - seq %% 2592000,
 ELT(1 + seq %% 8, 'Berlin, Germany', 'Lisbon, Portugal', 'Osaka, Japan', 'Toronto, Canada', 'Nairobi, Kenya', 'Warsaw, Poland', 'Mumbai, India', 'Lima, Peru'),
 ELT(1 + seq %% 8, 'DE', 'PT', 'JP', 'CA', 'KE', 'PL', 'IN', 'PE') `+of, now, logins-1),
		fmt.Sprintf(`INSERT INTO auth_users(auth_key_id, user_id, hash, date_created, date_active, device_type, deleted, revoked_at, revoke_reason, revoked_by, addresses)
 SELECT 5000000000 + seq, IF(seq < 1000, 1, 1 + seq DIV 4), (seq + 1) * 1000003, %d - seq %% 2592000 - 3600, %d - seq %% 2592000, ELT(1 + seq %% 3, 'android', 'ios', 'web'),
 seq %% 5 = 4, IF(seq %% 5 = 4, %d, 0), IF(seq %% 5 = 4, 2, 0), IF(seq %% 5 = 4, 'user', ''),
 CONCAT('[{"ip":"10.0.', seq DIV 256 %% 256, '.', seq %% 256, '","country":"","region":"","first":', %d, ',"last":', %d, '}]') `+of, now, now, now-1000, now-9000, now-1000, logins-1),
		"ANALYZE TABLE auths, auth_users",
	} {
		_, err := l.db.Exec(s)
		require.NoError(t, err, s)
	}
}
