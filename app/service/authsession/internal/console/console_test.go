package console

import (
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var served = sync.OnceValues(func() (*Handler, error) { return New(false) })

// ask returns the answer of the console.
func ask(t *testing.T, method, path string, headers ...string) *http.Response {
	t.Helper()
	h, err := served()
	require.NoError(t, err)
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

var named = regexp.MustCompile(`(?:href|src)="([^"]+)"`)

// files are the paths of all files that the page names, and the page.
func files(t *testing.T) []string {
	t.Helper()
	list := []string{Prefix}
	for _, m := range named.FindAllStringSubmatch(text(t, ask(t, "GET", Prefix)), -1) {
		list = append(list, Prefix+m[1])
	}
	require.Greater(t, len(list), 10)
	return list
}

// Each answer, errors too, has the headers that keep a browser from all but the
// console's own files.
func TestHeaders(t *testing.T) {
	for _, at := range append(files(t), "/console", Prefix+"nothing", Prefix+"0123456789abcdef/main.js", Prefix+"../admin.key") {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			r := ask(t, method, at)
			for name, value := range headers {
				require.Equal(t, value, r.Header.Get(name), "%s %s", method, at)
			}
			require.NotEmpty(t, r.Header.Get("Cache-Control"), at)
		}
	}
	for _, forbidden := range []string{"unsafe", "http:", "https:", "data:", "*", "blob:"} {
		require.NotContains(t, policy, forbidden)
	}
}

// The page is asked for again each time; the files that it names are kept for ever, and
// have another path when one of them changes.
func TestCaching(t *testing.T) {
	r := ask(t, "GET", Prefix)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
	tag := r.Header.Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{16}"$`, tag)
	require.Equal(t, http.StatusNotModified, ask(t, "GET", Prefix, "If-None-Match", tag).StatusCode)
	for _, at := range files(t)[1:] {
		require.Equal(t, "public, max-age=31536000, immutable", ask(t, "GET", at).Header.Get("Cache-Control"), at)
	}
	one := digest(map[string][]byte{"a.js": []byte("1"), "b.js": []byte("2")})
	require.NotEqual(t, one, digest(map[string][]byte{"a.js": []byte("1"), "b.js": []byte("3")}))
	require.NotEqual(t, one, digest(map[string][]byte{"a.js": []byte("12"), "b.js": []byte("")}))
}

// Files are read, and that alone.
func TestMethods(t *testing.T) {
	for _, at := range files(t) {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"} {
			r := ask(t, method, at)
			require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode, "%s %s", method, at)
			require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
		}
		r := ask(t, "HEAD", at)
		require.Equal(t, http.StatusOK, r.StatusCode)
		require.Empty(t, text(t, r))
		require.NotEqual(t, "0", r.Header.Get("Content-Length"))
	}
	r := ask(t, "GET", "/console")
	require.Equal(t, http.StatusPermanentRedirect, r.StatusCode)
	require.Equal(t, Prefix, r.Header.Get("Location"))
	for _, at := range []string{Prefix + "index.html", Prefix + "main.js", Prefix + "assets/main.js", Prefix + "/", Prefix + "%2e%2e/main.js"} {
		require.Equal(t, http.StatusNotFound, ask(t, "GET", at).StatusCode, at)
	}
}

// What is not below the prefix is the API's.
func TestServes(t *testing.T) {
	for at, want := range map[string]bool{"/console": true, "/console/": true, "/console/x/y": true, "/consoles": false, "/v1/sessions": false, "/": false, "": false} {
		require.Equal(t, want, Serves(at), at)
	}
}

// A browser gets the same with gzip and without.
func TestCompression(t *testing.T) {
	for _, at := range files(t) {
		plain := ask(t, "GET", at)
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		packed := ask(t, "GET", at, "Accept-Encoding", "deflate, gzip, br")
		require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"))
		r, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, text(t, plain), string(b), at)
		require.Equal(t, "Accept-Encoding", plain.Header.Get("Vary"))
	}
	require.Empty(t, ask(t, "GET", Prefix, "Accept-Encoding", "gzip;q=0").Header.Get("Content-Encoding"))
}

// Every file that is built in is reached from the page, and every module that another
// one imports is there: a name that is wrong is a blank page.
func TestModulesFindEachOther(t *testing.T) {
	imported := regexp.MustCompile(`(?m)^import .* from '\./([\w.]+)';$`)
	anyImport := regexp.MustCompile(`(?m)^\s*import\b|\bimport\(`)
	page := text(t, ask(t, "GET", Prefix))
	require.NoError(t, fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) == "index.html" {
			return err
		}
		require.Contains(t, page, "/"+path.Base(name)+`"`, "the page does not name it")
		b, err := assets.ReadFile(name)
		require.NoError(t, err)
		found := imported.FindAllStringSubmatch(string(b), -1)
		if path.Ext(name) == ".js" {
			require.Len(t, found, len(anyImport.FindAllString(string(b), -1)), "%s imports what is not beside it", name)
		}
		for _, m := range found {
			_, err := fs.Stat(assets, "assets/"+m[1])
			require.NoError(t, err, "%s imports %s", name, m[1])
		}
		return nil
	}))
}

// Nothing in the files makes markup of texts, names another host, or brings code or
// style within markup: the policy would stop it in the browser, and somebody would
// loosen the policy.
func TestFilesKeepToThePolicy(t *testing.T) {
	forbidden := []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setAttribute('style", "{style:", "localStorage", "document.cookie", "@import", "url("}
	host := regexp.MustCompile(`(?i)\b(?:https?|wss?):?//[^\s'"<]+`)
	require.NoError(t, fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := assets.ReadFile(name)
		require.NoError(t, err)
		for _, word := range forbidden {
			require.False(t, strings.Contains(string(b), word), "%s has %s", name, word)
		}
		for _, at := range host.FindAllString(string(b), -1) {
			require.Equal(t, "http://www.w3.org/2000/svg", at, name)
		}
		return nil
	}))
	page, err := assets.ReadFile("assets/index.html")
	require.NoError(t, err)
	require.NotRegexp(t, `(?i)<style|<script(?:[^>]*)>[^<]|\son\w+=|\sstyle=`, string(page))
}

// Texts stand out from what is behind them as WCAG's AA asks for: 4.5 to 1, and 3 to 1
// for the edges of fields and buttons, on a light and on a dark screen.
func TestContrast(t *testing.T) {
	css, err := assets.ReadFile("assets/console.css")
	require.NoError(t, err)
	variable := regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6});`)
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	for scheme, part := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]string{}
		for _, m := range variable.FindAllStringSubmatch(part, -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "ground", 4.5},
			{"text", "surface", 4.5},
			{"text", "sunken", 4.5},
			{"muted", "ground", 4.5},
			{"muted", "surface", 4.5},
			{"muted", "sunken", 4.5},
			{"accent", "ground", 4.5},
			{"accent", "surface", 4.5},
			{"accent", "sunken", 4.5},
			{"on-accent", "accent", 4.5},
			{"danger", "surface", 4.5},
			{"danger", "danger-weak", 4.5},
			{"on-danger", "danger-solid", 4.5},
			{"good", "good-weak", 4.5},
			{"warn", "warn-weak", 4.5},
			{"edge", "surface", 3},
			{"edge", "ground", 3},
			{"share-0", "surface", 3},
			{"share-1", "surface", 3},
			{"share-2", "surface", 3},
			{"share-3", "surface", 3},
			{"share-4", "surface", 3},
			{"share-5", "surface", 3},
		} {
			got := contrast(t, colours[pair.front], colours[pair.back])
			require.GreaterOrEqual(t, got, pair.least, "%s: %s on %s has %.2f", scheme, pair.front, pair.back, got)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	one, other := luminance(t, a), luminance(t, b)
	return (max(one, other) + 0.05) / (min(one, other) + 0.05)
}

// luminance is WCAG's relative luminance of a colour.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	require.Len(t, colour, 6, "a colour is missing")
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[2*i:2*i+2], 16, 8)
		require.NoError(t, err)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// What is served is small: a page over a slow line is there at once.
func TestSize(t *testing.T) {
	total := 0
	for _, at := range files(t) {
		n, err := strconv.Atoi(ask(t, "GET", at, "Accept-Encoding", "gzip").Header.Get("Content-Length"))
		require.NoError(t, err)
		total += n
	}
	require.Less(t, total, 64<<10, fmt.Sprintf("%d bytes with gzip", total))
}
