package console

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/device"
)

// programs are lab and Chromium; without them the test does not run.
func programs(t *testing.T) (lab, chromium string) {
	t.Helper()
	lab, chromium = os.Getenv("TEST_LAB"), os.Getenv("TEST_CHROMIUM")
	if lab == "" || chromium == "" {
		t.Skip("TEST_LAB and TEST_CHROMIUM name no programs: make test-console does")
	}
	return lab, chromium
}

const (
	readOnly = "sessions:read"
	// showcase is the user whose devices are shown, among so many seeded logins.
	showcase = 1999
	seeded   = 90
)

var alice = device.Person{Name: "Alice", Phone: "+15550000001"}

// One cluster, and an operator who comes to it in several tabs.
func TestConsole(t *testing.T) {
	program, chromium := programs(t)
	i := newIssuer(t)
	l := run(t, program, "-console-issuer", i.URL)
	seed(t, l, showcase, seeded) // before the service counts for the first time
	// Alice's devices are Telegram clients, and live as long as the test.
	phone, tablet := l.login("Alice's phone", alice), l.login("Alice's tablet", alice)
	user := fmt.Sprint(phone.Self.ID)

	t.Run("an operator ends a device", func(t *testing.T) { endsADevice(t, l, start(t, chromium), user, phone, tablet) })
	t.Run("every page", func(t *testing.T) { everyPage(t, l, start(t, chromium), user, fmt.Sprint(showcase)) })
	t.Run("narrower scopes", func(t *testing.T) { narrowerScopes(t, l, start(t, chromium), user) })
	t.Run("a token that is no more", func(t *testing.T) { expires(t, l, start(t, chromium)) })
	t.Run("what the policy stops", func(t *testing.T) { isStopped(t, l, start(t, chromium)) })
	t.Run("headers", func(t *testing.T) { headers(t, l) })
	t.Run("single sign-on", func(t *testing.T) { signsOn(t, l, i, start(t, chromium)) })
}

// signIn begins a tab with a token.
func (b *browser) signIn(l *lab, token string) {
	b.t.Helper()
	b.do(chromedp.Navigate(l.url))
	b.shows("Admin token")
	b.press(token + kb.Enter)
	b.shows("Live logins")
}

// A newcomer's way: two devices of one person have signed in, an operator finds them with
// the keyboard alone and ends one, which falls out while the other stays.
func endsADevice(t *testing.T, l *lab, b *browser, user string, phone, tablet *device.Device) {
	b.do(chromedp.Navigate(l.url))
	b.shows("Admin token")
	b.press("not a token" + kb.Enter)
	b.shows("Not accepted: the token cannot be read.")
	b.act("document.activeElement.value = ''")
	b.press(l.token + kb.Enter)
	b.shows("Live logins")

	b.slash()
	b.press(user + kb.Enter)
	b.shows("User " + user)
	b.shows("Alice's phone")
	b.shows("Alice's tablet")
	b.focus("End the login on Alice's tablet")
	b.press(kb.Enter)
	b.shows("End this login?")
	b.write("Reason", "Lost on a train"+kb.Enter)

	// Within a second of the answer, and the page says so.
	b.shows("The login on Alice's tablet has ended.")
	require.NoError(t, tablet.LoggedOut(t.Context(), time.Second))
	require.NoError(t, phone.Subscribe(t.Context()))
	b.until("[...document.querySelectorAll('.item-title a')].map((e) => e.textContent).join() === \"Alice's phone\"", "the list does not have the phone alone")
	b.click("History")
	b.shows("Ended by an operator lab")
	b.shows("Lost on a train")
	b.click("Audit log")
	b.shows("RevokeSession")
	b.calm(l.origin())
}

// widest is how many times wider than the others the widest gap between two points of the
// line is.
const widest = `(() => {
  const x = [...document.querySelector('[aria-label^="Logins online"] .line').getAttribute('d').matchAll(/[ML]([0-9.]+)/g)].map((m) => Number(m[1]));
  const gaps = x.slice(1).map((at, i) => at - x[i]).sort((a, b) => a - b);
  return gaps[gaps.length - 1] / gaps[Math.floor(gaps.length / 2)];
})()`

// Each page and dialog, in light and dark, shows what it should, gives a name to what can
// be pressed or filled in, and has texts that stand out.
func everyPage(t *testing.T, l *lab, b *browser, ended, user string) {
	b.signIn(l, l.token)
	require.True(t, eval[bool](b, "Boolean(document.querySelector('[aria-label^=\"Logins online\"]'))"), "the first number is drawn")
	b.act(day)
	hash := eval[string](b, "(async () => (await (await fetch('/v1/sessions?active=true&user_id="+user+"', {headers: {Authorization: 'Bearer ' + sessionStorage.getItem('tgsession.token')}})).json()).sessions[0].hash)()")
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, p := range []struct {
			hash, shows, click, then, picture string
			fails                             bool
		}{
			{hash: "#/", shows: "Latest sign-ins", picture: "overview"},
			{hash: "#/logins", shows: "1–50", picture: "logins"},
			{hash: "#/logins?q=Pixel&sort=last_active", shows: "Google Pixel 9"},
			{hash: "#/logins?active=false", shows: "Ended by an operator alice"},
			{hash: "#/logins?country=AQ", shows: "No login is like this."},
			{hash: "#/logins/" + hash, shows: "Used from", picture: "login"},
			{hash: "#/users/" + user, shows: "unconfirmed", picture: "user"},
			{hash: "#/users/" + user, shows: "unconfirmed", click: "End logins…", then: "would end", picture: "end"},
			{hash: "#/users/" + user, shows: "unconfirmed", click: "Erase…", then: "This would be removed"},
			{hash: "#/users/" + user + "/history", shows: "Ended by an operator alice", picture: "history"},
			{hash: "#/users/" + user + "/policy", shows: "Save policy"},
			{hash: "#/users/" + ended + "/history", shows: "Lost on a train"},
			{hash: "#/users/" + ended + "/audit", shows: "RevokeSession"},
			{hash: "#/end?device_type=web", shows: "spared", click: "Count what would end", then: "would end.", picture: "filter"},
			{hash: "#/audit", shows: "127.0.0.1", picture: "audit"},
			{hash: "#/audit?method=RevokeSession", shows: "OK · 1"},
			{hash: "#/settings", shows: "Clean-up"},
			{hash: "#/settings", shows: "Clean-up", click: "Clean up idle logins…", then: "No login is idle for that long."},
			{hash: "#/nowhere", shows: "There is no such page"},
			{hash: "#/logins/1", shows: "there is no such session", fails: true},
		} {
			b.open("#/nowhere")
			b.open(p.hash)
			b.shows(p.shows)
			if p.click != "" {
				b.settle()
				b.click(p.click)
				b.shows(p.then)
			}
			b.settle()
			if !p.fails {
				require.Empty(t, eval[[]string](b, "[...document.querySelectorAll('[role=alert]')].filter((e) => e.checkVisibility()).map((e) => e.textContent)"), p.hash)
			}
			if p.picture == "overview" {
				b.shows("last 23 h 54 min") // and the gap of two hours is as wide as two hours
				require.Greater(t, eval[float64](b, widest), 6.0)
				if pictures() {
					b.until("document.querySelectorAll('.area').length > 1", "no second figure of the lag comes")
				}
			}
			if p.picture != "" {
				b.picture("console-" + p.picture + "-" + scheme)
			}
			require.Empty(t, b.nameless(), "%s in %s", p.hash, scheme)
			require.Empty(t, eval[[]string](b, faint), "%s in %s", p.hash, scheme)
		}
	}
	b.open("#/audit?method=RevokeSession")
	b.shows("Lost on a train")
	file := b.downloads("CSV")
	require.Contains(t, file, "Lost on a train")
	require.Equal(t, 2, strings.Count(strings.TrimSpace(file), "\n")+1, "a row of names and one of the call: %s", file)

	b.open("#/users/" + user + "/policy")
	b.write("How many stay", "3")
	b.click("Save policy")
	b.shows("The policy is saved.")

	before := b.live()
	b.open("#/end?device_type=web")
	b.click("Count what would end")
	b.shows("would end.")
	b.write("Reason", "Web is not allowed here")
	b.act("[...document.querySelectorAll('button.danger')].find((e) => !e.disabled).click()")
	b.shows("ended.")
	b.open("#/logins?device_type=web")
	b.shows("No login is like this.")
	require.Less(t, b.live(), before)
	b.calm(l.origin())
}

// Who may read alone sees no button that changes anything, no audit log, and may not call
// by hand what the page does not offer.
func narrowerScopes(t *testing.T, l *lab, b *browser, user string) {
	b.signIn(l, l.sign("bob", readOnly, time.Now().Add(time.Hour)))
	for _, hash := range []string{"#/", "#/logins", "#/users/" + user, "#/users/" + user + "/history", "#/users/" + user + "/policy", "#/settings"} {
		b.open(hash)
		b.settle()
		for _, word := range []string{"End", "Erase…", "End logins…", "Save policy", "Clean up idle logins…", "Audit log", "End by filter…"} {
			require.False(t, eval[bool](b, fmt.Sprintf("[...document.querySelectorAll('button, a')].some((e) => e.textContent.trim() === %s)", quote(word))), "%s has %s", hash, word)
		}
	}
	b.shows("bob")
	require.Equal(t, http.StatusForbidden, eval[int](b, "fetch('/v1/users/"+user+"/sessions', {method: 'DELETE', headers: {Authorization: 'Bearer ' + sessionStorage.getItem('tgsession.token')}}).then((r) => r.status)"))
	b.open("#/audit")
	b.shows("the scope audit:read is needed")
	b.click("Sign out")
	b.shows("Admin token")
	require.Zero(t, eval[int](b, "sessionStorage.length"))
	b.calm(l.origin())
}

// A token that has expired leads to the form, with the reason.
func expires(t *testing.T, l *lab, b *browser) {
	b.do(chromedp.Navigate(l.url))
	b.shows("Admin token")
	b.act("sessionStorage.setItem('tgsession.token', " + quote(l.sign("eve", readOnly, time.Now().Add(-time.Hour))) + ")")
	b.do(chromedp.Reload())
	b.shows("You are not signed in: the token has expired.")
	require.Zero(t, eval[int](b, "sessionStorage.length"))
	b.calm(l.origin())
}

// What somebody might get into the page does not run there, and reaches no other host.
func isStopped(t *testing.T, l *lab, b *browser) {
	b.signIn(l, l.token)
	b.calm(l.origin())
	require.Equal(t, "stopped", eval[string](b, `(() => { try { document.body.innerHTML += '<img src=x onerror="window.bad = 1">'; return 'made' } catch { return 'stopped' } })()`))
	require.Equal(t, "stopped", eval[string](b, `(() => { const s = document.createElement('script'); try { s.textContent = 'window.bad = 1'; document.body.append(s); return 'made' } catch { return 'stopped' } })()`))
	b.act(`(() => { const p = document.createElement('p'); p.setAttribute('style', 'color: red'); document.body.append(p) })()`)
	b.act(`(() => { const i = new Image(); i.src = 'http://localhost:1/x.png'; document.body.append(i) })()`)
	require.Equal(t, "stopped", eval[string](b, `fetch('http://localhost:1/').then(() => 'sent', () => 'stopped')`))
	b.until("window.stopped.some((e) => e.startsWith('style-src')) && window.stopped.some((e) => e.startsWith('img-src')) && window.stopped.some((e) => e.startsWith('connect-src'))", "the policy stops too little")
	require.True(t, eval[bool](b, "window.bad === undefined"))
}

// The answers that a browser gets have what keeps it so.
func headers(t *testing.T, l *lab) {
	r, err := http.Get(l.url)
	require.NoError(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cache-Control": "no-cache",
	} {
		require.Contains(t, r.Header.Get(name), want, name)
	}
	require.NotContains(t, string(text), "style=")
	require.Empty(t, r.Cookies())
}

// Somebody goes to the issuer and comes back as who they are there, with what their role
// grants; the code does not stay in the address.
func signsOn(t *testing.T, l *lab, i *issuer, b *browser) {
	b.do(chromedp.Navigate(l.url + "#/logins"))
	b.shows("Continue with single sign-on")
	b.click("Continue with single sign-on")
	b.shows("Who are you?")
	b.click("I am Carol")
	b.shows("Live and ended")
	require.Equal(t, l.url+"#/logins", eval[string](b, "location.href"))
	require.Equal(t, []string{"tgsession.token"}, eval[[]string](b, "Object.keys(sessionStorage)"))
	require.Contains(t, eval[string](b, "document.querySelector('.who').textContent"), "carol")
	b.open("#/audit")
	b.shows("the scope audit:read is needed")

	// A code that another tab has asked for is good for nothing here.
	b.do(chromedp.Navigate(l.url + "?code=stolen&state=guessed"))
	b.shows("this tab has begun no such sign-in")
	require.NotContains(t, eval[string](b, "location.href"), "stolen")
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range b.requests { // nothing but the way there and back
		require.True(t, strings.HasPrefix(at, l.origin()+"/") || strings.HasPrefix(at, i.URL+"/authorize?") || strings.HasPrefix(at, "data:"), at)
	}
}
