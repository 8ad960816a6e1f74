package sess

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync/atomic"
)

const (
	fanOutSlots = 256
	fanOutBytes = 16 << 10 // updates that are longer are written anew each time
)

// fanOut has what was written last of updates that come for many keys: sync pushes a
// message of a group, or that somebody is typing, once for each key of each member, and
// most keys have the same layer. It is shared by the keys of a node, and holds a few
// megabytes at most. Updates are kept when they come for the second time, so that those
// of one key alone cost no memory. What it answers is what writing them again would give.
type fanOut struct {
	seed  maphash.Seed
	slots [fanOutSlots]struct {
		last atomic.Uint64 // the hash of what had this slot last
		has  atomic.Pointer[written]
	}
}

func newFanOut() *fanOut { return &fanOut{seed: maphash.MakeSeed()} }

// written is updates and what they are in a layer's TL, packed or not. Nobody writes to it.
type written struct {
	updates []byte
	layer   int32
	body    []byte
	saved   int // bytes, by packing
}

// find returns what was written of updates in a layer, or nil, and the hash to note
// them by.
func (f *fanOut) find(updates []byte, layer int32) (*written, uint64) {
	if len(updates) > fanOutBytes {
		return nil, 0
	}
	hash := maphash.Bytes(f.seed, updates) ^ uint64(layer)*0x9e3779b97f4a7c15
	if w := f.slots[hash%fanOutSlots].has.Load(); w != nil && w.layer == layer && bytes.Equal(w.updates, updates) {
		return w, hash
	}
	return nil, hash
}

// note keeps w, which find did not find, if its updates were the last ones with their
// slot.
func (f *fanOut) note(hash uint64, w written) {
	if len(w.updates) > fanOutBytes {
		return
	}
	slot := &f.slots[hash%fanOutSlots]
	if slot.last.Swap(hash) != hash {
		return
	}
	w.body = slices.Clip(w.body)
	slot.has.Store(&w)
}
