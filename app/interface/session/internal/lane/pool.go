package lane

import "sync"

// Pool runs functions concurrently, at most a limit at once; more wait in
// order, up to a second limit. It is safe for concurrent use.
type Pool struct {
	// Spawn starts workers. It may be set before the first Go; nil: goroutines.
	Spawn Spawn

	workers, waiting int

	mu      sync.Mutex
	running int
	queue   []func()
	busy    *Busy
}

// NewPool makes a pool of at most workers goroutines and waiting functions.
// busy counts its goroutines together with what else the caller counts; nil:
// they are counted apart.
func NewPool(workers, waiting int, busy *Busy) *Pool {
	if busy == nil {
		busy = &Busy{}
	}
	return &Pool{workers: workers, waiting: waiting, busy: busy}
}

// Go runs f as soon as a worker is free. It never blocks; false says that
// the pool is full and f will not run.
func (p *Pool) Go(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running >= p.workers {
		if len(p.queue) >= p.waiting {
			return false
		}
		p.queue = append(p.queue, f)
		return true
	}
	p.running++
	p.busy.Add()
	p.Spawn.Start(func() { p.run(f) })
	return true
}

// Load returns how many functions run and how many wait.
func (p *Pool) Load() (running, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, len(p.queue)
}

// Wait returns when nothing runs or waits.
func (p *Pool) Wait() { p.busy.Wait() }

// run is a worker: it lives until nothing waits.
func (p *Pool) run(f func()) {
	defer p.busy.Done()
	for {
		guard(f)
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.queue = nil
			p.running--
			p.mu.Unlock()
			return
		}
		f = p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.mu.Unlock()
	}
}
