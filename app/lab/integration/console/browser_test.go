package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	patience = 15 * time.Second // for something to be shown
	width    = 1280
	height   = 860
)

// watching has the page note what its policy has stopped, before any code of it runs.
const watching = `window.stopped = []; document.addEventListener('securitypolicyviolation', (e) => window.stopped.push(e.effectiveDirective + ' ' + e.blockedURI))`

// browser is one tab of a headless Chromium, and what happened in it.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string // URLs
	troubles []string // of the page's code, and what the browser complains of
}

// start opens a tab. Chromium ends with the test.
func start(t *testing.T, program string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.WindowSize(width, height), chromedp.Flag("lang", "en-US"), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Env("TZ=UTC", "LANGUAGE=en_US"))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, b.heard))
	for _, enable := range []cdp.Command[cdp.Empty, cdp.Empty]{log.Enable, runtime.Enable} {
		_, err := chromedp.Call(ctx, enable, cdp.Empty{})
		require.NoError(t, err)
	}
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watching})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	require.NoError(t, err)
	return b
}

func (b *browser) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		// Answers that are errors are the page's to show.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork || e.Entry.Source == log.EntrySourceSecurity {
			b.troubles = append(b.troubles, e.Entry.Text)
		}
	}
}

// do does something within patience.
func (b *browser) do(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, action), "the page shows: %s", b)
}

// eval runs code in the page and returns its value.
func eval[T any](b *browser, code string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](code, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, "the page shows: %s", b)
	return value
}

// act runs code in the page.
func (b *browser) act(code string) {
	b.t.Helper()
	eval[chromedp.Void](b, code)
}

// shows returns when the page has a text.
func (b *browser) shows(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.body?.innerText.includes(%s)", quote(text)), "the page does not show %q", text)
}

// until returns when an expression is true.
func (b *browser) until(expression, format string, args ...any) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && is
	}, patience, 30*time.Millisecond, append([]any{format + "; the page shows: %s"}, append(args, b)...)...)
}

// String is what the page shows, for messages.
func (b *browser) String() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return fmt.Sprint(text, err)
}

// press sends keys, as somebody without a mouse does.
func (b *browser) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// slash presses the key that leads to the search. It is one event with its character,
// as a keyboard sends it, so that the page can keep the character from the field.
func (b *browser) slash() {
	b.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: "/", Code: "Slash", Text: "/"})
		require.NoError(b.t, err)
	}
	b.until("document.activeElement.id === 'search'", "/ does not lead to the search")
}

// click presses what has an accessible name, or the text.
func (b *browser) click(name string) {
	b.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('dialog[open] button, button, a')].find((e) => !e.disabled && (e.getAttribute('aria-label') ?? e.textContent.trim()) === %s)", quote(name))
	b.until(find, "there is no %q to press", name)
	b.act(find + ".click()")
}

// focus puts the focus on what has an accessible name, as the tab key would.
func (b *browser) focus(name string) {
	b.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('button')].find((e) => !e.disabled && e.tabIndex >= 0 && e.getAttribute('aria-label') === %s)", quote(name))
	b.until(find, "there is no %q", name)
	b.act(find + ".focus()")
}

// live is how many logins are, as the API says.
func (b *browser) live() int {
	b.t.Helper()
	return eval[int](b, "fetch('/v1/sessions?active=true&page_size=500', {headers: {Authorization: 'Bearer ' + sessionStorage.getItem('tgsession.token')}}).then((r) => r.json()).then((a) => a.sessions.length)")
}

// downloads presses a button and returns the text of the file that the page makes.
func (b *browser) downloads(name string) string {
	b.t.Helper()
	b.act("window.made = null; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => { window.made = text }); return make(blob) }")
	b.click(name)
	b.until("window.made !== null", "no file is made")
	return eval[string](b, "window.made")
}

// day has the service's overview look as after a day: with numbers of who was online
// that rise and fall, and a gap of two hours.
const day = `(() => {
  const ask = window.fetch;
  window.fetch = async (url, options) => {
    const answer = await ask(url, options);
    if (!String(url).endsWith('/v1/overview')) return answer;
    const body = await answer.json();
    body.online_samples = [];
    for (let i = 239; i > 0; i--) {
      if (i > 150 && i < 171) continue;
      const count = Math.round(Number(body.online) + 14 * Math.sin(i / 38) + 4 * Math.sin(i / 7));
      body.online_samples.push({at: new Date(Date.now() - i * 360000).toISOString(), count: String(count)});
    }
    return new Response(JSON.stringify(body), {status: 200, headers: {'Content-Type': 'application/json'}});
  };
})()`

// nameless are the parts that can be used and that a screen reader has no name for.
func (b *browser) nameless() (list []string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, accessibility.Enable, cdp.Empty{})
	require.NoError(b.t, err)
	tree, err := chromedp.Call(b.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	require.NoError(b.t, err)
	roles := []string{"button", "link", "textbox", "searchbox", "combobox", "radio", "spinbutton", "dialog", "navigation", "img"}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		if slices.Contains(roles, role) && (n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "") {
			list = append(list, role)
		}
	}
	return list
}

// faint lists the texts that do not stand out from what is behind them by 4.5 to 1.
const faint = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const colour = (text) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255] };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { const all = []; for (let at = e; at; at = at.parentElement) { all.unshift(colour(getComputedStyle(at).backgroundColor)); if (at.matches('dialog')) break } return all.reduce((under, top) => top[3] > 0 ? over(top, under) : under, [255, 255, 255, 1]) };
  const scope = document.querySelector('dialog[open]') ?? document.body;
  const found = [];
  for (const e of scope.querySelectorAll('*')) {
    if (e.closest('svg') || e.closest('.toast') || e.matches(':disabled') || !e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const ground = behind(e), text = over(colour(getComputedStyle(e).color), ground);
    const [a, b] = [light(text), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return found;
})()`

// write types into the field with a label.
func (b *browser) write(label, text string) {
	b.t.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll('label')].filter((e) => e.textContent === %s).map((e) => document.getElementById(e.htmlFor)).pop()", quote(label))
	b.until(find, "there is no field %q", label)
	b.act(find + ".focus()")
	b.press(text)
}

// open goes to a page of the console.
func (b *browser) open(hash string) {
	b.t.Helper()
	b.act("location.hash = " + quote(hash))
	b.until("!document.querySelector('#main[aria-busy]')", "%s stays busy", hash)
}

// settle returns when nothing is being loaded.
func (b *browser) settle() {
	b.t.Helper()
	b.until("!document.querySelector('[aria-busy]') && document.fonts.status === 'loaded'", "something stays busy")
}

// scheme makes the screen a dark or a light one.
func (b *browser) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	require.NoError(b.t, err)
}

// pictures reports whether they are asked for.
func pictures() bool { return os.Getenv("TEST_PICTURES") != "" }

// picture keeps what the tab shows as a PNG, where pictures are asked for.
func (b *browser) picture(name string) {
	b.t.Helper()
	if !pictures() {
		return
	}
	b.settle()
	b.act("document.activeElement?.blur?.(); window.scrollTo(0, 0); document.querySelectorAll('.toast').forEach((e) => e.remove())")
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(os.Getenv("TEST_PICTURES")+"/"+name+".png", png, 0o644))
}

// calm holds that the page asked no other host for anything, that its policy stopped
// nothing, and that none of its code failed.
func (b *browser) calm(origin string) {
	b.t.Helper()
	require.Empty(b.t, eval[[]string](b, "window.stopped"))
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.troubles)
	require.NotEmpty(b.t, b.requests)
	for _, raw := range b.requests {
		u, err := url.Parse(raw)
		require.NoError(b.t, err)
		switch u.Scheme {
		case "blob": // a file that the page has made
			raw = strings.TrimPrefix(raw, "blob:")
		case "data": // Chromium's own pictures in fields for dates
			continue
		}
		require.True(b.t, strings.HasPrefix(raw, origin+"/"), "it asked for %s", raw)
	}
}

func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}
