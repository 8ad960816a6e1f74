package conf

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Print reads the file at path into v and returns what it makes of it: YAML with the
// values that hold, defaults among them, which reads back to the same configuration.
// Secrets are masked; those that files hold stay named by their files.
func Print(path string, v Tabled) (text string, warnings []string, err error) {
	l, err := read(path, v)
	if err != nil {
		return "", l.warnings, err
	}
	text, err = v.Table().Print(v, l.files, func(key string) bool { return at(l.raw, key) != nil })
	if err != nil {
		return "", l.warnings, fmt.Errorf("config file %s: %w", path, err)
	}
	return text, l.warnings, nil
}

// Sources lists the files that a configuration is read from: path, and those of
// secrets. It reads path into v.
func Sources(path string, v any) []string {
	l, _ := read(path, v) // of a file that is not as it should be what is known of it
	return append([]string{path}, slices.Sorted(maps.Values(l.files))...)
}

// at returns the value at a path that may hold indexes; nil: there is none.
func at(node any, key string) any {
	for part := range strings.SplitSeq(key, ".") {
		bare, rest, indexed := strings.Cut(part, "[")
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		if node = lookup(m, bare); !indexed {
			continue
		}
		list, _ := node.([]any)
		i, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
		if err != nil || i >= len(list) {
			return nil
		}
		node = list[i]
	}
	return node
}
