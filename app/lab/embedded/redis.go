package embedded

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisTick is how often the clock of the Redis is moved on: its keys expire
// by that clock alone.
const redisTick = 100 * time.Millisecond

// Redis is a Redis of one process, without a password.
type Redis struct {
	srv  *miniredis.Miniredis
	once sync.Once
	quit chan struct{}
	done chan struct{}
}

// StartRedis runs it on a free port.
func StartRedis() (*Redis, error) {
	srv := miniredis.NewMiniRedis()
	if err := srv.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	r := &Redis{srv: srv, quit: make(chan struct{}), done: make(chan struct{})}
	go r.tick()
	return r, nil
}

func (r *Redis) tick() {
	defer close(r.done)
	t := time.NewTicker(redisTick)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-r.quit:
			return
		case now := <-t.C:
			r.srv.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Addr returns host:port.
func (r *Redis) Addr() string { return r.srv.Addr() }

// Close stops it and waits for it.
func (r *Redis) Close() error {
	r.once.Do(func() {
		close(r.quit)
		<-r.done
		r.srv.Close()
	})
	return nil
}
