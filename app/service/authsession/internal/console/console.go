// Package console serves the session console: the pages with which operators see and
// end logins in a browser.
//
// It serves files that are built into the program and nothing else. What the pages show
// comes from the admin API, which a browser calls with the operator's own token: so the
// console can do what that token can, and who has none sees a form.
//
// All files but the page itself lie in a folder whose name is a digest of them. A
// browser may keep them for ever, for a release with other files has another folder;
// the modules find each other there by relative paths.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed assets
var assets embed.FS

// Prefix is the path of the page. All files are below it.
const Prefix = "/console/"

const page = "index.html"

// kinds are the media types of files, by extension. There is no other kind.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// policy lets the pages run the modules and styles of this listener, call its API, and
// nothing else: no code or style within the page, no other host, no frame around it. A
// text of a device that got into the page as markup could not run, for markup is made
// from no text at all (trusted-types).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// headers are those of every answer, errors too.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"Cross-Origin-Embedder-Policy": "require-corp",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

const (
	keepForever = "public, max-age=31536000, immutable" // of files in the folder
	askAgain    = "no-cache"                            // of the page, which names the folder
)

// file is one of the console's, ready to be sent.
type file struct {
	kind, tag, cache string
	plain, packed    []byte // packed: with gzip
}

// Handler serves the console.
type Handler struct {
	files map[string]file // by path
}

// New prepares the files. singleSignOn has the page offer it. The error is a fault of the
// program: a file of a kind that kinds does not have.
func New(singleSignOn bool) (*Handler, error) {
	content := map[string][]byte{}
	err := fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content[strings.TrimPrefix(name, "assets/")], err = assets.ReadFile(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	folder := digest(content) + "/"
	h := &Handler{files: map[string]file{}}
	for name, text := range content {
		at, cache := Prefix+folder+name, keepForever
		if name == page {
			at, cache = Prefix, askAgain
			if text, err = render(text, folder, content, singleSignOn); err != nil {
				return nil, err
			}
		}
		if h.files[at], err = prepare(name, text, cache); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// digest names a set of files.
func digest(content map[string][]byte) string {
	sum := sha256.New()
	for _, name := range sorted(content) {
		fmt.Fprintf(sum, "%s %d\n", name, len(content[name]))
		sum.Write(content[name])
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

func sorted(content map[string][]byte) []string {
	names := make([]string, 0, len(content))
	for name := range content {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// render names the folder in the page, by a relative path, and the modules, which a
// browser then fetches at once and not one after the other as they name each other.
func render(text []byte, folder string, content map[string][]byte, singleSignOn bool) ([]byte, error) {
	t, err := template.New(page).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	modules := slices.DeleteFunc(sorted(content), func(name string) bool { return path.Ext(name) != ".js" })
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{"Folder": folder, "Modules": modules, "SingleSignOn": singleSignOn}); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return out.Bytes(), nil
}

func prepare(name string, text []byte, cache string) (file, error) {
	kind, known := kinds[path.Ext(name)]
	if !known {
		return file{}, fmt.Errorf("console: %s is of no kind that is served", name)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		return file{}, fmt.Errorf("console: %w", err)
	}
	if err := w.Close(); err != nil {
		return file{}, fmt.Errorf("console: %w", err)
	}
	tag := strconv.Quote(digest(map[string][]byte{name: text}))
	return file{kind: kind, tag: tag, cache: cache, plain: text, packed: packed.Bytes()}, nil
}

// Serves reports whether a path is the console's. What is not is the API's.
func Serves(path string) bool {
	return path == strings.TrimSuffix(Prefix, "/") || strings.HasPrefix(path, Prefix)
}

// ServeHTTP answers GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := w.Header()
	for name, value := range headers {
		out.Set(name, value)
	}
	out.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		out.Set("Allow", "GET, HEAD")
		http.Error(w, "use GET here", http.StatusMethodNotAllowed)
		return
	}
	f, known := h.files[r.URL.Path]
	switch {
	case r.URL.Path+"/" == Prefix:
		http.Redirect(w, r, Prefix, http.StatusPermanentRedirect)
		return
	case !known:
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	out.Set("Cache-Control", f.cache)
	out.Set("ETag", f.tag)
	out.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		body = f.packed
		out.Set("Content-Encoding", "gzip")
	}
	out.Set("Content-Type", f.kind)
	out.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// takesGzip reads Accept-Encoding as browsers write it. A weight turns it down: who
// sends one may mean never.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		if strings.TrimSpace(part) == "gzip" {
			return true
		}
	}
	return false
}
