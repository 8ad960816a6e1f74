package token

import (
	"maps"
	"slices"
)

// Signing is a key that tokens can be made with, and the kid they then name: the one
// without a name, else the first by name; none, when all are public keys.
func (k Keys) Signing() (id string, key Key, found bool) {
	for _, id := range slices.Sorted(maps.Keys(k.ByID)) {
		if _, secret := k.ByID[id].verify.([]byte); secret {
			return id, k.ByID[id], true
		}
	}
	return "", Key{}, false
}
