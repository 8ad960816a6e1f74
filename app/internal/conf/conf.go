// Package conf reads a service's configuration file the way go-zero does and
// adds what an operator needs when something is wrong with it: every error
// names its key and a way out, and a key that nobody reads is reported
// instead of passed over in silence.
package conf

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/zeromicro/go-zero/core/conf"
	"go.yaml.in/yaml/v3"

	"github.com/tgsession/tgsession/app/internal/keytable"
)

// KeyError is a configuration error that belongs to one key. A Validate
// method of a configuration returns it too.
type KeyError struct {
	Key     string // as written in the struct: "Mysql.DSN", "Cache[0].Host"
	Problem string // what is wrong, as a predicate: "is missing"
	Fix     string // what to do about it
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Key, e.Problem, e.Fix)
}

// Unneeder is a configuration that knows keys which it has no use for: those of
// the files of another program. Unneeded says why, by dotted path.
type Unneeder interface{ Unneeded() map[string]string }

// Completer is a configuration with defaults other than go-zero's for keys of
// go-zero's structs. Complete runs after a load that went well; given reports
// whether the file has a value at a dotted path, as "Middlewares.Breaker".
type Completer interface {
	Complete(given func(key string) bool)
}

// Notes returns a sentence for each key of the file at path that v does not need.
// Load gives no warning of them. A file that cannot be read has none.
func Notes(path string, v Unneeder) (notes []string) {
	content, err := ReadFile(path)
	if err != nil {
		return nil
	}
	raw, _, err := parse(path, content)
	if err != nil {
		return nil
	}
	unneeded := v.Unneeded()
	for _, key := range slices.Sorted(maps.Keys(unneeded)) {
		if lookup(raw, key) != nil {
			notes = append(notes, fmt.Sprintf("config key %s is not needed: %s", key, unneeded[key]))
		}
	}
	return notes
}

// Load reads the YAML, JSON or TOML file at path into v, a pointer to a
// struct with go-zero's json tags; keys are matched without regard to case.
//
// Keys of the file that v has no place for do not fail the load: they come
// back as warnings, one sentence each, with the nearest known name where one
// is near. An error about a key is (or wraps) a *KeyError; an `example` tag on
// the field is offered as its fix (beside a json tag: go-zero passes over
// fields that have other tags only). In values ${NAME} stands for a variable of the
// environment; and where v is Tabled a secret may be in a file of its own, which the
// key with File behind its name has. When v has a Validate method, it runs
// on what was read, before Complete of a Completer.
func Load(path string, v any) (warnings []string, err error) {
	l, err := read(path, v)
	return l.warnings, err
}

// loaded is what a file was made of.
type loaded struct {
	raw      map[string]any    // its keys, with what stands for something else replaced
	files    map[string]string // the file of each secret that was read from one, by key
	warnings []string
}

func read(path string, v any) (l loaded, err error) {
	source, err := ReadFile(path)
	if err != nil {
		return l, fmt.Errorf("config file %s cannot be read: %w (name another with -f)", path, err)
	}
	content := source
	raw, load, err := parse(path, content)
	if err != nil {
		return l, fmt.Errorf("config file %s: %w", path, err)
	}
	l.raw = raw
	renamed, err := rename(raw, v)
	if err != nil {
		return l, fmt.Errorf("config file %s: %w", path, err)
	}
	var changed bool
	if l.files, changed, err = fill(raw, v); err != nil {
		return l, fmt.Errorf("config file %s: %w", path, err)
	}
	if changed = changed || renamed != nil; changed {
		load = conf.LoadFromJsonBytes
		if content, err = reencoded(raw); err != nil {
			return l, fmt.Errorf("config file %s: %w", path, err)
		}
	}
	written := raw
	if changed { // messages show what is written, not what the environment has
		if written, _, err = parse(path, source); err != nil {
			return l, fmt.Errorf("config file %s: %w", path, err)
		}
		if _, err = rename(written, v); err != nil {
			return l, fmt.Errorf("config file %s: %w", path, err)
		}
	}
	known := describeAll(v)
	unneeded := map[string]bool{}
	if u, ok := v.(Unneeder); ok {
		for key := range u.Unneeded() {
			unneeded[strings.ToLower(key)] = true
		}
	}
	l.warnings = slices.Concat(renamed, unknownKeys(raw, known, "", unneeded))
	if err := load(content, v); err != nil {
		return l, fmt.Errorf("config file %s: %w", path, explain(err, raw, written, known, v))
	}
	if c, ok := v.(Completer); ok {
		c.Complete(func(key string) bool { return lookup(raw, key) != nil })
	}
	return l, nil
}

// parse returns the file's keys and go-zero's loader for its values.
func parse(path string, content []byte) (raw map[string]any, load func([]byte, any) error, err error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".yaml", ".yml":
		err, load = yaml.Unmarshal(content, &raw), conf.LoadFromYamlBytes
	case ".json":
		err, load = json.Unmarshal(content, &raw), conf.LoadFromJsonBytes
	case ".toml":
		err, load = toml.Unmarshal(content, &raw), conf.LoadFromTomlBytes
	default:
		return nil, nil, fmt.Errorf("ending %q is not known: use .yaml, .yml, .json or .toml", ext)
	}
	return raw, load, err
}

var (
	notSet       = regexp.MustCompile(`field "([^"]+)" is not set`)
	typeMismatch = regexp.MustCompile(`type mismatch for field "([^"]+)"(?:, expect "([^"]+)", actual "([^"]+)")?`)
)

// explain turns go-zero's error into a KeyError; one that is a KeyError
// already, by a Validate method, stays as it is. raw is what was loaded, written what
// the file has, which messages show.
func explain(err error, raw, written map[string]any, known *keys, v any) error {
	if own := (*KeyError)(nil); errors.As(err, &own) {
		return err
	}
	text := err.Error()
	shown := func(name string) any {
		if t, ok := v.(Tabled); ok && t.Table().Secret(name) {
			return keytable.Masked
		}
		return lookup(written, name)
	}
	if m := notSet.FindStringSubmatch(text); m != nil {
		name, k := known.find(m[1])
		return &KeyError{Key: name, Problem: "is missing", Fix: k.fix(name)}
	}
	if m := typeMismatch.FindStringSubmatch(text); m != nil {
		name, k := known.find(m[1])
		switch {
		case m[2] != "":
			return &KeyError{Key: name, Problem: fmt.Sprintf("is a %s, not a %s", m[3], m[2]), Fix: k.fix(name)}
		case lookup(raw, name) == nil: // go-zero says so of a list that is absent
			return &KeyError{Key: name, Problem: "is missing", Fix: k.fix(name)}
		default:
			return &KeyError{Key: name, Problem: fmt.Sprintf("has a value of the wrong type (%v)", shown(name)), Fix: k.fixType(name)}
		}
	}
	if path := blame(err, raw, v); path != "" {
		name, _ := known.find(path)
		problem := fmt.Sprintf("is %v", shown(name))
		if _, list := lookup(raw, name).([]any); list { // it may hold passwords
			problem = "has a value that cannot be used"
		}
		return &KeyError{
			Key: name, Problem: problem,
			Fix: "correct it (" + strings.TrimPrefix(text, "error: ") + ")",
		}
	}
	return err
}

// blame finds the key whose value go-zero refused without naming it: the
// (optional) one without which the error is gone.
func blame(err error, raw map[string]any, v any) string {
	for _, path := range leaves(raw, "") {
		text, jsonErr := json.Marshal(without(raw, strings.Split(path, ".")))
		if jsonErr != nil {
			return ""
		}
		fresh := reflect.New(reflect.TypeOf(v).Elem()).Interface()
		again := conf.LoadFromJsonBytes(text, fresh)
		if again == nil || again.Error() != err.Error() && !notSet.MatchString(again.Error()) {
			return path
		}
	}
	return ""
}

// leaves lists the dotted paths of all scalars and lists outside of lists.
func leaves(m map[string]any, prefix string) (paths []string) {
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok {
			paths = append(paths, leaves(sub, prefix+k+".")...)
		} else {
			paths = append(paths, prefix+k)
		}
	}
	slices.Sort(paths)
	return paths
}

// without copies m but for the value at path.
func without(m map[string]any, path []string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		sub, isMap := v.(map[string]any)
		switch {
		case k != path[0]:
			out[k] = v
		case len(path) > 1 && isMap:
			out[k] = without(sub, path[1:])
		}
	}
	return out
}

// lookup returns the value at a dotted path, keys compared without regard to
// case; nil when there is none.
func lookup(m map[string]any, path string) any {
	head, rest, more := strings.Cut(path, ".")
	for k, v := range m {
		if !strings.EqualFold(k, head) {
			continue
		}
		if !more {
			return v
		}
		if sub, ok := v.(map[string]any); ok {
			return lookup(sub, rest)
		}
	}
	return nil
}
