package keyex_test

import (
	"crypto/sha1"
	"slices"

	"github.com/gotd/td/bin"
)

// tempKeyByTheBook is the derivation as the documentation states it, written
// apart from the implementation.
func tempKeyByTheBook(nn bin.Int256, sn bin.Int128) (key, iv []byte) {
	sha := func(parts ...[]byte) []byte {
		h := sha1.Sum(slices.Concat(parts...))
		return h[:]
	}
	key = slices.Concat(sha(nn[:], sn[:]), sha(sn[:], nn[:])[0:12])
	iv = slices.Concat(sha(sn[:], nn[:])[12:20], sha(nn[:], nn[:]), nn[0:4])
	return key, iv
}
