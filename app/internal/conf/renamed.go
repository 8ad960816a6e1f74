package conf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Renamer is a configuration with keys that had another name in an earlier release.
// Renamed has the name of today by the one of then, both at the top of the file. A file
// with the old name is read as if it had the new one, with a warning.
type Renamer interface{ Renamed() map[string]string }

// rename gives the keys of a file the names that v reads them by. A file with both names
// of a key is refused: one of the two values would count for nothing.
func rename(raw map[string]any, v any) (warnings []string, err error) {
	r, ok := v.(Renamer)
	if !ok {
		return nil, nil
	}
	renamed := r.Renamed()
	for _, before := range slices.Sorted(maps.Keys(renamed)) {
		now := renamed[before]
		for key, value := range raw {
			if !strings.EqualFold(key, before) {
				continue
			}
			if lookup(raw, now) != nil {
				return nil, &KeyError{Key: key, Problem: "is the old name of " + now + ", which is there, too", Fix: "take " + key + " out"}
			}
			delete(raw, key)
			raw[now] = value
			warnings = append(warnings, fmt.Sprintf("config key %s is called %s now: the old name is read for one more release", key, now))
			break
		}
	}
	return warnings, nil
}
