package conf

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// variable is a reference to an environment variable in a value. Two dollars stand for
// one that is none: "$${NAME}" is the text "${NAME}". A dollar without braces means
// itself, as in the passwords of files that were written for go-zero or Teamgram.
var variable = regexp.MustCompile(`\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// Bounds of files that a configuration names: none of the right ones is near them, and
// a wrong one, as a log or a device, is not read whole.
const (
	secretBytes = 64 << 10
	fileBytes   = 4 << 20
)

// ReadSecret reads a file that holds a secret: at most 64 KiB, without the newline at
// its end. An error names the file, and nothing of what is in it.
func ReadSecret(path string) ([]byte, error) {
	content, err := ReadAtMost(path, secretBytes)
	if err != nil {
		return nil, err
	}
	if text, cut := bytes.CutSuffix(content, []byte("\n")); cut {
		content = bytes.TrimSuffix(text, []byte("\r"))
	}
	return content, nil
}

// ReadFile reads another file that a configuration names, of at most 4 MiB: keys,
// certificates, lists. An error names the file, and nothing of what is in it.
func ReadFile(path string) ([]byte, error) { return ReadAtMost(path, fileBytes) }

// ReadKeyPair reads a certificate and its key in PEM, each of at most 4 MiB. An error
// names the file that cannot be read, or says why the two do not go together.
func ReadKeyPair(certFile, keyFile string) (pair tls.Certificate, err error) {
	cert, err := ReadFile(certFile)
	if err != nil {
		return pair, err
	}
	key, err := ReadFile(keyFile)
	if err != nil {
		return pair, err
	}
	return tls.X509KeyPair(cert, key)
}

// ReadAtMost reads a file of at most so many bytes. An error names the file, and nothing
// of what is in it.
func ReadAtMost(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(content) > most {
		return nil, fmt.Errorf("%s holds more than %d KiB", path, most>>10)
	}
	return content, nil
}

// fill replaces in raw what stands for something else: variables of the environment,
// and files of secrets. It reports whether there was any.
func fill(raw map[string]any, v any) (files map[string]string, changed bool, err error) {
	expanded, err := expand(raw, reflect.TypeOf(v).Elem(), "")
	if err != nil {
		return nil, false, err
	}
	t, ok := v.(Tabled)
	if !ok {
		return nil, expanded, nil
	}
	files = map[string]string{}
	if err := readFiles(raw, byLower(t.Table().Files(v)), "", files); err != nil {
		return nil, false, err
	}
	return files, expanded || len(files) > 0, nil
}

// byLower finds keys by their lower-case spelling.
func byLower(keys []string) map[string]string {
	list := map[string]string{}
	for _, key := range keys {
		list[strings.ToLower(key)] = key
	}
	return list
}

// expand replaces the variables in all values of node, whose keys are those of t.
func expand(node any, t reflect.Type, path string) (changed bool, err error) {
	set := func(value any, inner reflect.Type, key string, store func(any)) error {
		text, isText := value.(string)
		if !isText {
			more, err := expand(value, inner, key)
			changed = changed || more
			return err
		}
		full, found, err := substitute(text, key)
		if err != nil || !found {
			return err
		}
		changed = true
		store(typed(full, inner))
		return nil
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch node := node.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(node)) {
			if err := set(node[name], typeBelow(t, name), join(path, name), func(v any) { node[name] = v }); err != nil {
				return changed, err
			}
		}
	case []any:
		var inner reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			inner = t.Elem()
		}
		for i := range node {
			if err := set(node[i], inner, fmt.Sprintf("%s[%d]", path, i), func(v any) { node[i] = v }); err != nil {
				return changed, err
			}
		}
	}
	return changed, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// typeBelow is the type of what a struct or map has under a name; nil: nothing.
func typeBelow(t reflect.Type, name string) reflect.Type {
	switch {
	case t == nil:
	case t.Kind() == reflect.Map:
		return t.Elem()
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous {
				if found := typeBelow(f.Type, name); found != nil {
					return found
				}
			} else if f.IsExported() && strings.EqualFold(fieldName(f), name) {
				return f.Type
			}
		}
	}
	return nil
}

// substitute replaces the variables in a text.
func substitute(text, key string) (full string, found bool, err error) {
	full = variable.ReplaceAllStringFunc(text, func(match string) string {
		found = true
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		name := match[2 : len(match)-1]
		value, set := os.LookupEnv(name)
		if !set && err == nil {
			err = &KeyError{
				Key: key, Problem: "names the environment variable " + name + ", which is not set",
				Fix: "set it, or write $${" + name + "} for the text itself",
			}
		}
		return value
	})
	return full, found, err
}

// typed is a text as the value that a field of type t takes.
func typed(text string, t reflect.Type) any {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.String {
		return text
	}
	var value any
	if yaml.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	switch value.(type) {
	case bool, int, int64, uint64, float64:
		return value
	}
	return text
}

// readFiles puts the content of files in the places of secrets, and takes the keys that
// name them out. known has the secrets by their lower-case keys, without indexes.
func readFiles(node any, known map[string]string, path string, files map[string]string) error {
	switch node := node.(type) {
	case []any:
		for i := range node {
			if err := readFiles(node[i], known, fmt.Sprintf("%s[%d]", path, i), files); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(node)) {
			secret, named := cutFile(name)
			key := join(path, secret)
			spelled := known[strings.ToLower(indexes.ReplaceAllString(key, "[]"))]
			if !named || spelled == "" {
				if err := readFiles(node[name], known, join(path, name), files); err != nil {
					return err
				}
				continue
			}
			value, err := secretOf(node, secret, join(path, name), node[name])
			if err != nil {
				return err
			}
			files[respell(key, spelled)] = fmt.Sprint(node[name])
			delete(node, name)
			node[spelled[strings.LastIndexByte(spelled, '.')+1:]] = value
		}
	}
	return nil
}

var indexes = regexp.MustCompile(`\[\d+\]`)

// respell gives a key with indexes the spelling of the one without.
func respell(key, spelled string) string {
	parts := indexes.FindAllString(key, -1)
	for _, part := range parts {
		spelled = strings.Replace(spelled, "[]", part, 1)
	}
	return spelled
}

func cutFile(name string) (secret string, named bool) {
	const suffix = "file"
	if len(name) <= len(suffix) || !strings.EqualFold(name[len(name)-len(suffix):], suffix) {
		return name, false
	}
	return name[:len(name)-len(suffix)], true
}

// secretOf reads the file that a key names for a secret beside it.
func secretOf(beside map[string]any, secret, key string, file any) (string, error) {
	path, ok := file.(string)
	if !ok || path == "" {
		return "", &KeyError{Key: key, Problem: "names no file", Fix: "name one that holds the value, or leave it out"}
	}
	for name := range beside {
		if strings.EqualFold(name, secret) {
			return "", &KeyError{Key: key, Problem: "and " + secret + " are both set", Fix: "keep one of them"}
		}
	}
	content, err := ReadSecret(path)
	switch {
	case err != nil:
		return "", &KeyError{Key: key, Problem: fmt.Sprintf("cannot be read (%v)", err), Fix: "name a file that this service may read"}
	case len(content) == 0:
		return "", &KeyError{Key: key, Problem: "names " + path + ", which is empty", Fix: "write the value into it"}
	}
	return string(content), nil
}

// reencoded is raw as JSON, for go-zero to load.
func reencoded(raw map[string]any) ([]byte, error) {
	content, err := json.Marshal(plainKeys(raw))
	if err != nil {
		return nil, errors.New("a value cannot be read: its keys have to be text")
	}
	return content, nil
}

// plainKeys turns keys of maps that YAML takes for numbers into text.
func plainKeys(node any) any {
	switch node := node.(type) {
	case map[any]any:
		out := make(map[string]any, len(node))
		for key, value := range node {
			out[fmt.Sprint(key)] = plainKeys(value)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(node))
		for key, value := range node {
			out[key] = plainKeys(value)
		}
		return out
	case []any:
		out := make([]any, len(node))
		for i := range node {
			out[i] = plainKeys(node[i])
		}
		return out
	}
	return node
}
