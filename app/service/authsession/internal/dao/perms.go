package dao

import "sync"

// maxPerms bounds how many keys perms has, about 50 bytes each.
const maxPerms = 1 << 17

// perms remembers the perm keys of keys, as a guess: what of it is true Redis or MySQL
// says. The keys not asked for of late are forgotten.
type perms struct {
	mu        sync.RWMutex
	now, last map[int64]int64
}

// get returns the perm key that a key had; 0: none is remembered.
func (p *perms) get(id int64) int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if perm := p.now[id]; perm != 0 {
		return perm
	}
	return p.last[id]
}

func (p *perms) put(id, perm int64) {
	p.mu.RLock()
	known := p.now[id] == perm
	p.mu.RUnlock()
	if known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil || len(p.now) >= maxPerms/2 {
		p.now, p.last = map[int64]int64{}, p.now
	}
	p.now[id] = perm
}
