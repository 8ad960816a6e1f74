package conf

import "strings"

// Nearest returns the name among known that is nearest to name, without
// regard to case; empty when none is near.
func Nearest(name string, known []string) string {
	best, distance := "", len(name)/2+1
	for _, k := range known {
		d := editDistance(strings.ToLower(name), strings.ToLower(k))
		if d < distance || d == distance && k < best {
			best, distance = k, d
		}
	}
	return best
}
