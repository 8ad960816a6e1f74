package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/admintest"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/token"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
)

const manyCalls = plainTokens + ", RateLimit: {PerSecond: 1000, Burst: 1000}"

func both(t *testing.T) string {
	return admintest.Token(t, "root", time.Hour, token.Scopes...)
}

func networks(list ...string) (out []netip.Prefix) {
	for _, text := range list {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// What a path and its parameters say reaches the manager.
func TestWhatIsAskedReachesTheManager(t *testing.T) {
	a := serve(t, false, manyCalls)
	yes, no := true, false
	for _, tc := range []struct {
		verb, path, body string
		want             any
	}{
		{"GET", "/v1/sessions", "", []any{sessions.Filter{}, sessions.Page{}}},
		{
			"GET", "/v1/sessions?user_id=9223372036854775807&device_type=ios&api_id=6&active=true&page_size=7&page_token=next", "",
			[]any{sessions.Filter{UserID: 1<<63 - 1, DeviceType: "ios", APIID: 6, Active: &yes}, sessions.Page{Size: 7, Token: "next"}},
		},
		{"GET", "/v1/sessions?active=false&page_size=2147483647", "", []any{sessions.Filter{Active: &no}, sessions.Page{Size: 1<<31 - 1}}},
		{"GET", "/v1/sessions/2", "", int64(2)},
		{"GET", "/v1/keys/-5/session", "", int64(-5)},
		{"GET", "/v1/users/777/sessions:last", "", []any{"last", sessions.Filter{UserID: 777}}},
		{"GET", "/v1/users/777/sessions:last?device_type=ios&api_id=6&active=true", "", []any{"last", sessions.Filter{UserID: 777, DeviceType: "ios", APIID: 6, Active: &yes}}},
		{"DELETE", "/v1/sessions/2", "", sessions.Selection{Hash: 2}},
		{"DELETE", "/v1/users/777/sessions", "", sessions.Selection{UserID: 777}},
		{
			"DELETE", "/v1/users/777/sessions?device_type=web&except=5&keep_newest=3", "",
			sessions.Selection{UserID: 777, DeviceType: "web", ExceptHash: 5, KeepNewest: 3},
		},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"2592000s"}`, []any{720 * time.Hour, 1000, false}},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"3600.5s","limit":1000000,"dry_run":true}`, []any{time.Hour + 500*time.Millisecond, 10000, true}},
		{"DELETE", "/v1/users/777/data", "", []any{"erase", int64(777)}},
		{"DELETE", "/v1/users/777/data?dry_run=true&reason=5", "", []any{"erasable", int64(777)}},
		{"GET", "/v1/users/777/policy", "", int64(777)},
		{
			"PUT", "/v1/users/777/policy", `{"ttl_days":30,"strategy":"limit-per-device-type","limit":3}`,
			[]any{int64(777), logins.Policy{TTLDays: 30, Strategy: logins.LimitPerDeviceType, Limit: 3}},
		},
		{"PUT", "/v1/users/777/policy", `{}`, []any{int64(777), logins.Policy{}}},
		{"GET", "/v1/statistics", "", []any{"online", 11 * time.Minute}},
		{"GET", "/v1/statistics", "", nil}, // counted already
		{"GET", "/v1/overview", "", "hooks"},
		{"GET", "/v1/whoami", "", nil},
		{
			"GET", "/v1/sessions?ip=192.0.2.7&country=de&platform=iOS&device_model=Pixel&signed_in_after=2026-01-01T00:00:00Z&active_before=2026-02-01T00:00:00%2B01:00&sort=idle&active=true", "",
			[]any{sessions.Filter{Active: &yes, Match: sessions.Match{
				Networks: networks("192.0.2.7/32"), Countries: []string{"de"}, Platforms: []string{"iOS"}, DeviceModel: "Pixel",
				SignedInAfter: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ActiveBefore: time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC),
			}}, sessions.Page{Sort: sessions.ByIdleness}},
		},
		{"GET", "/v1/sessions?q=10.0.0.0/8&sort=signed_in", "", []any{sessions.Filter{Match: sessions.Match{Networks: networks("10.0.0.0/8")}}, sessions.Page{}}},
		{"GET", "/v1/sessions?q=pixel", "", []any{sessions.Filter{Match: sessions.Match{Text: "pixel"}}, sessions.Page{}}},
		{"GET", "/v1/sessions?q=2", "", int64(2)},
		{"GET", "/v1/sessions?q=777", "", []any{sessions.Filter{UserID: 777}, sessions.Page{}}},
		{"GET", "/v1/sessions?user_id=777&total=true", "", []any{"count", sessions.Filter{UserID: 777}}},
		{"GET", "/v1/sessions?total=true", "", []any{sessions.Filter{}, sessions.Page{}}}, // all were counted
		{
			"POST", "/v1/sessions:revoke", `{"match":{"networks":["10.1.2.3/8","2001:db8::1"],"countries":["DE"],"api_ids":[6],"platforms":["iOS"],"device_types":["ios"],"user_ids":["777"],"signed_in_before":"2026-01-01T00:00:00Z"},"except_user_ids":["5"],"limit":7,"dry_run":true,"page_token":"next"}`,
			[]any{"bulk", sessions.Bulk{Match: sessions.Match{
				Networks: networks("10.0.0.0/8", "2001:db8::1/128"), Countries: []string{"DE"}, APIIDs: []int32{6}, Platforms: []string{"iOS"},
				DeviceTypes: []string{"ios"}, SignedInBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			}, UserIDs: []int64{777}, ExceptUsers: []int64{5}}, 7, true, "next"},
		},
		{"POST", "/v1/sessions:revoke", `{"match":{"api_ids":[6]},"limit":5000}`, []any{"bulk", sessions.Bulk{Match: sessions.Match{APIIDs: []int32{6}}}, 1000, false, ""}},
		{
			"GET", "/v1/audit?user_id=777&caller=bob&method=EraseUser&code=OK&ticket=T-1&since=2026-01-01T00:00:00Z&page_size=7", "",
			[]any{"audit", audit.Filter{UserID: 777, Caller: "bob", Method: "EraseUser", Code: "OK", Ticket: "T-1", Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, 7},
		},
		{"GET", "/v1/audit/1", "", []any{"row", int64(1)}},
		{"GET", "/v1/audit:export?format=csv&caller=bob", "", []any{"audit", audit.Filter{Caller: "bob"}, 500}},
		{"GET", "/v1/events?after=oldest&type=session.revoked&user_id=777&page_size=9", "", []any{"events", "oldest", "session.revoked", int64(777), 9}},
		{"GET", "/v1/webhooks", "", "hooks"},
		{"GET", "/v1/webhooks/billing/dead-letters?user_id=5", "", []any{"dead", "billing", int64(5), 101}},
		{"POST", "/v1/webhooks/gone/dead-letters:purge", `{"all":true}`, []any{"purge", events.Chosen{Webhook: "gone"}, false}},
		{"POST", "/v1/webhooks/gone/dead-letters:purge", `{"ids":["7"],"dry_run":true}`, []any{"purge", events.Chosen{Webhook: "gone", IDs: []int64{7}}, true}},
		{"GET", "/v1/webhooks/gone/dead-letters", "", []any{"dead", "gone", int64(0), 101}},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{"ids":["7"]}`, []any{"retry", events.Chosen{Webhook: "billing", IDs: []int64{7}}, false}},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{"all":true,"user_id":"5","dry_run":true}`, []any{"retry", events.Chosen{Webhook: "billing", UserID: 5}, true}},
	} {
		a.sessions.asked = nil
		code, text := a.must(tc.verb, tc.path, both(t), tc.body)
		require.Less(t, code, 300, "%s %s: %s", tc.verb, tc.path, text)
		require.Equal(t, tc.want, a.sessions.last(), "%s %s", tc.verb, tc.path)
	}
}

// What is wrong is refused with the name of what is wrong, and reaches nobody.
func TestWrongParametersAreRefused(t *testing.T) {
	a := serve(t, false, manyCalls)
	for _, tc := range []struct {
		verb, path, body string
		code             int
		want             string
	}{
		{"GET", "/v1/sessions?user_id=-1", "", 400, "user_id: must not be negative"},
		{"GET", "/v1/sessions?user_id=9223372036854775808", "", 400, "user_id: is no number of 64 bits"},
		{"GET", "/v1/sessions?user_id=", "", 400, "user_id: is no number"},
		{"GET", "/v1/sessions?user_id=1e3", "", 400, "user_id: is no number"},
		{"GET", "/v1/sessions?user_id=0x10", "", 400, "user_id: is no number"},
		{"GET", "/v1/sessions?user_id=1&user_id=2", "", 400, "user_id: comes more than once"},
		{"GET", "/v1/sessions?api_id=-6", "", 400, "api_id: must not be negative"},
		{"GET", "/v1/sessions?api_id=4294967296", "", 400, "api_id: is no number of 32 bits"},
		{"GET", "/v1/sessions?page_size=-1", "", 400, "page_size: must not be negative"},
		{"GET", "/v1/sessions?page_size=2147483648", "", 400, "page_size: is no number of 32 bits"},
		{"GET", "/v1/sessions?page_token=forged", "", 400, "page_token: this list did not give it out"},
		{"GET", "/v1/sessions?page_token=" + strings.Repeat("a", 513), "", 400, "page_token: this list did not give it out"},
		{"GET", "/v1/sessions?active=1", "", 400, "active: must be true or false"},
		{"GET", "/v1/sessions?active=", "", 400, "active: must be true or false"},
		{"GET", "/v1/sessions?device_type=Android'--", "", 400, "device_type: there is no type"},
		{"GET", "/v1/sessions?userid=1", "", 400, `query: there is no parameter \"userid\"`},
		{"GET", "/v1/sessions?%zz", "", 400, "query: cannot be read"},
		{"GET", "/v1/sessions?a;b", "", 400, "query: cannot be read"},
		{"GET", "/v1/sessions?user_id=" + strings.Repeat("1", 2100), "", 400, "query: has more than 2048 bytes"},
		{"GET", "/v1/sessions/0", "", 400, "hash: must not be 0"},
		{"GET", "/v1/sessions/x", "", 400, "hash: is no number"},
		{"GET", "/v1/sessions/5", "", 404, "there is no such session"},
		{"GET", "/v1/sessions/2?x=1", "", 400, "there is no parameter"},
		{"GET", "/v1/keys/0/session", "", 400, "auth_key_id: must not be 0"},
		{"GET", "/v1/keys/7/session", "", 404, "there is no such session"},
		{"DELETE", "/v1/sessions/0", "", 400, "hash: must not be 0"},
		{"DELETE", "/v1/sessions/%00", "", 400, "hash: is no number"},
		{"DELETE", "/v1/sessions/99999999999999999999", "", 400, "hash: is no number"},
		{"DELETE", "/v1/users/0/sessions", "", 400, "user_id: must not be 0"},
		{"DELETE", "/v1/users/-777/sessions", "", 400, "user_id: must not be negative"},
		{"DELETE", "/v1/users/x/sessions", "", 400, "user_id: is no number"},
		{"DELETE", "/v1/users/777/sessions?keep_newest=-1", "", 400, "keep_newest: must be from 0 to 10000"},
		{"DELETE", "/v1/users/777/sessions?keep_newest=10001", "", 400, "keep_newest: must be from 0 to 10000"},
		{"DELETE", "/v1/users/777/sessions?hash=2", "", 400, "there is no parameter"},
		{"POST", "/v1/sessions:cleanup", "", 400, "body: must be application/json"},
		{"POST", "/v1/sessions:cleanup", "{}", 400, "older_than: must be a duration"},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"0s"}`, 400, "older_than: must be from 3600 to 315360000 seconds"},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"-7200s"}`, 400, "older_than: must be from"},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"315360001s"}`, 400, "older_than: must be from"},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"720h"}`, 400, "body: is not the JSON that is expected here"},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"7200s","limit":-1}`, 400, "limit: must not be negative"},
		{"POST", "/v1/sessions:cleanup", `{"older_than":"7200s","all":true}`, 400, "body: is not the JSON"},
		{"POST", "/v1/sessions:cleanup", strings.Repeat(" ", 64<<10) + "{}", 400, "body: has more than 65536 bytes"},
		{"POST", "/v1/sessions:cleanup", strings.Repeat("[", 9000), 400, "body: is not the JSON"},
		{"PUT", "/v1/users/777/policy", `{"ttl_days":3651}`, 400, "ttl_days: must be from 0 to 3650"},
		{"PUT", "/v1/users/777/policy", `{"ttl_days":-1}`, 400, "ttl_days: must be"},
		{"PUT", "/v1/users/777/policy", `{"strategy":"all"}`, 400, "strategy: there is no strategy"},
		{"PUT", "/v1/users/777/policy", `{"limit":10001}`, 400, "limit: must be from 0 to 10000"},
		{"PUT", "/v1/users/0/policy", `{}`, 400, "user_id: must be above 0"},
		{"GET", "/v1/users/-1/policy", "", 400, "user_id: must be above 0"},
		{"GET", "/v1/sessions?ip=10.0.0.0.1", "", 400, "ip: \\\"10.0.0.0.1\\\" is no address"},
		{"GET", "/v1/sessions?ip=10.0.0.0/33", "", 400, "is no address"},
		{"GET", "/v1/sessions?ip=::ffff:10.0.0.0/100", "", 400, "is no address"},
		{"GET", "/v1/sessions?country=DEU", "", 400, "country: "},
		{"GET", "/v1/sessions?country=1'", "", 400, "country: "},
		{"GET", "/v1/sessions?sort=name", "", 400, "sort: there is no order"},
		{"GET", "/v1/sessions?sort=idle", "", 400, "sort: idle is an order of live sessions"},
		{"GET", "/v1/sessions?sort=idle&active=false", "", 400, "sort: idle is an order of live sessions"},
		{"GET", "/v1/sessions?total=1", "", 400, "total: must be true or false"},
		{"GET", "/v1/sessions?q=" + strings.Repeat("a", 65), "", 400, "q: has more than 64 characters"},
		{"GET", "/v1/sessions?q=10.0.0.1&ip=10.0.0.2", "", 400, "q: is an address, and so is ip"},
		{"GET", "/v1/sessions?active_after=yesterday", "", 400, "active_after: must be a time"},
		{"GET", "/v1/sessions?active_after=1969-01-01T00:00:00Z", "", 400, "active_after: must be a time after 1970"},
		{"DELETE", "/v1/sessions/2?ticket=" + strings.Repeat("a", 65), "", 400, "ticket: has more than 64 characters"},
		{"DELETE", "/v1/sessions/2?ticket=%0a", "", 400, "ticket: must be printable"},
		{"POST", "/v1/sessions:revoke", `{}`, 400, "match: is empty"},
		{"POST", "/v1/sessions:revoke", `{"match":{}}`, 400, "match: is empty"},
		{"POST", "/v1/sessions:revoke", `{"match":{"user_ids":["0"]}}`, 400, "user_ids: must be above 0"},
		{"POST", "/v1/sessions:revoke", `{"match":{"api_ids":[0]}}`, 400, "api_ids: must be above 0"},
		{"POST", "/v1/sessions:revoke", `{"match":{"networks":["all"]}}`, 400, "networks: "},
		{"POST", "/v1/sessions:revoke", `{"match":{"countries":["D%"]}}`, 400, "countries: "},
		{"POST", "/v1/sessions:revoke", `{"match":{"device_types":["phone"]}}`, 400, "device_types: there is no type"},
		{"POST", "/v1/sessions:revoke", `{"match":{"platforms":[""]}}`, 400, "platforms: must have from 1"},
		{"POST", "/v1/sessions:revoke", `{"match":{"networks":[` + strings.Repeat(`"10.0.0.1",`, 100) + `"10.0.0.1"]}}`, 400, "networks has more than 100 values"},
		{"POST", "/v1/sessions:revoke", `{"match":{"api_ids":[6]},"limit":-1}`, 400, "limit: must not be negative"},
		{"POST", "/v1/sessions:revoke", `{"match":{"api_ids":[6]},"page_token":"forged"}`, 400, "page_token: this list did not give it out"},
		{"GET", "/v1/audit?user_id=-1", "", 400, "user_id: must not be negative"},
		{"GET", "/v1/audit?since=today", "", 400, "since: must be a time"},
		{"GET", "/v1/audit?page_token=forged", "", 400, "page_token: this list did not give it out"},
		{"GET", "/v1/audit?caller=" + strings.Repeat("a", 129), "", 400, "caller: has more than 128 bytes"},
		{"GET", "/v1/audit/0", "", 400, "id: must be above 0"},
		{"GET", "/v1/audit/999999", "", 404, "there is no such row"},
		{"GET", "/v1/audit:export", "", 400, "format: must be csv or ndjson"},
		{"GET", "/v1/audit:export?format=csv&x=1", "", 400, "there is no parameter"},
		{"POST", "/v1/audit:export", "", 405, "use GET here"},
		{"GET", "/v1/events?after=forged", "", 400, "after: this list did not give it out"},
		{"GET", "/v1/webhooks/other/dead-letters", "", 404, "there is no webhook"},
		{"POST", "/v1/webhooks/other/dead-letters:retry", `{"all":true}`, 404, "there is no webhook"},
		{"POST", "/v1/webhooks/gone/dead-letters:retry", `{"all":true}`, 404, "there is no webhook"},
		{"POST", "/v1/webhooks/other/dead-letters:purge", `{"all":true}`, 404, "there is no webhook"},
		{"POST", "/v1/webhooks/gone/dead-letters:purge", `{}`, 400, "ids: name dead letters, or all"},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{}`, 400, "ids: name dead letters, or all"},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{"ids":["1"],"all":true}`, 400, "ids: name dead letters, or all"},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{"ids":["1"],"user_id":"5"}`, 400, "user_id: must be above 0, and goes with all"},
		{"POST", "/v1/webhooks/billing/dead-letters:retry", `{"webhook":"billing","all":true}`, 400, "body: is not the JSON"},
		{"GET", "/v1", "", 404, "there is no such path"},
		{"GET", "/", "", 404, "there is no such path"},
		{"PATCH", "/v1/sessions/2", "", 405, "use DELETE or GET here"},
		{"GET", "/v1/sessions:cleanup", "", 405, "use POST here"},
		{"POST", "/openapi.json", "", 405, "use GET here"},
	} {
		code, text := a.must(tc.verb, tc.path, both(t), tc.body)
		require.Equal(t, tc.code, code, "%s %s: %s", tc.verb, tc.path, text)
		require.Contains(t, text, tc.want, "%s %s", tc.verb, tc.path)
		var body struct {
			Error struct{ Code, Message string }
		}
		require.NoError(t, json.Unmarshal([]byte(text), &body), text)
		require.NotEmpty(t, body.Error.Code)
	}
	for _, asked := range a.sessions.calls() {
		require.NotEqual(t, sessions.Selection{}, asked)
		_, revoked := asked.(sessions.Selection)
		require.False(t, revoked, "%+v", asked)
	}
}

// Numbers of 64 bits are strings, what is not known is absent, times are in UTC.
func TestAnswers(t *testing.T) {
	a := serve(t, false, plainTokens)
	_, text := a.must("GET", "/v1/sessions/4611686018427387905", both(t), "")
	require.JSONEq(t, `{"hash":"4611686018427387905","user_id":"777","auth_key_id":"-5","device_type":"android","device_model":"Pixel \u001b[31m9",
		"platform":"","system_version":"","app_name":"Telegram Android","app_version":"11","lang_code":"","api_id":6,"layer":223,"ip":"2001:db8::1",
		"country":"","region":"","signed_in":"2023-11-14T22:13:20Z","last_active":"2023-11-14T23:13:20Z","expires_at":"2023-12-26T14:13:20Z",
		"revoke_reason":"","revoked_by":"","unconfirmed":false,"addresses":[
		{"ip":"2001:db8::1","country":"Berlin\u001b[31m, Germany","region":"DE","first_seen":"2023-11-14T22:13:20Z","last_seen":"2023-11-14T23:13:20Z"},
		{"ip":"10.0.0.1","country":"","region":"","last_seen":"2023-11-14T22:13:20Z"}],"revoke_note":"","revoke_ticket":""}`, text)
	_, text = a.must("GET", "/v1/statistics", both(t), "")
	require.Regexp(t, `^\{"live":"1152921504606846976","ended":"2","unconfirmed":"0","live_by_device_type":\{"ios":"3"\},"counted_at":"20[^"]+Z"\}$`, text)
	answer, text, err := a.call("DELETE", "/v1/sessions/4611686018427387905", both(t), "")
	require.NoError(t, err)
	require.Equal(t, 204, answer.StatusCode)
	require.Empty(t, text)
	require.Equal(t, []string{"no-store", "nosniff"}, []string{answer.Header.Get("Cache-Control"), answer.Header.Get("X-Content-Type-Options")})
	code, _ := a.must("DELETE", "/v1/sessions/4611686018427387905", both(t), "")
	require.Equal(t, 204, code, "a repetition")
	_, text = a.must("GET", "/v1/sessions/4611686018427387905", both(t), "")
	require.Contains(t, text, `"revoke_reason":"by-admin","revoked_by":"admin:root"`)
	require.Equal(t, []sessions.By{{Reason: logins.ByAdmin, Actor: "admin:root"}, {Reason: logins.ByAdmin, Actor: "admin:root"}}, a.sessions.by)
	_, text = a.must("GET", "/v1/config", both(t), "")
	require.Contains(t, text, `"concurrency":{"strategy":"none","limit":1,"total":0},"touch":{"cache_interval":"60s","db_interval":"600s"}`)
}

func TestADeviceThatSendsNoTextIsStillShown(t *testing.T) {
	a := serve(t, false, plainTokens)
	a.sessions.list[0].DeviceModel = "\xff\xfe"
	code, text := a.must("GET", "/v1/sessions/4611686018427387905", both(t), "")
	require.Equal(t, 200, code, text)
	ctx, client := a.client(both(t))
	_, err := client.ListSessions(ctx, nil)
	require.NoError(t, err)
}

// No query and no body, however made, panics or comes out as another than
// what it says.
func FuzzParameters(f *testing.F) {
	f.Add("user_id=1&device_type=ios&active=true&page_size=3&page_token=x", "12", `{"older_than":"7200s"}`)
	f.Add("user_id=%00", "-", "[[[[")
	f.Add("&&;=%", "9223372036854775807", "\xff")
	f.Fuzz(func(t *testing.T, query, id, body string) {
		for _, r := range routes {
			request := httptest.NewRequest(r.verb, "/", strings.NewReader(body))
			request.URL.RawQuery = query
			request.Header.Set("Content-Type", "application/json")
			p := newParams(request)
			p.path = map[string]string{"hash": id, "user_id": id, "auth_key_id": id, "id": id, "webhook": id}
			in := r.decode(p)
			if p.done() != nil {
				continue
			}
			if len(query) > maxQuery || len(body) > maxBody && (r.verb == http.MethodPost || r.verb == http.MethodPut) {
				t.Fatalf("%s %s takes %d bytes", r.verb, r.path, len(query)+len(body))
			}
			values, err := url.ParseQuery(query)
			if err != nil {
				t.Fatalf("%q is taken", query)
			}
			for name, value := range values { // what was taken is what was said
				if name == "except" {
					name = "except_hash"
				}
				field := in.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
				if field == nil || len(value) != 1 {
					t.Fatalf("%s %s takes %q", r.verb, r.path, name)
				}
			}
			describe(&audit.Entry{}, in)
		}
	})
}
