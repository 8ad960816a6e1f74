package bench

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/lab/bench/usage"
)

// Config says where the load goes and what it is.
type Config struct {
	Addr string         // the gateway, host:port over TCP
	Key  *rsa.PublicKey // what it proves itself with
	DC   int            // id of its data centre

	Clients  int           // at least 1; pushes need 2
	Duration time.Duration // of the load, after all clients are ready
	Mix      Mix
	// Rate is how many operations all clients do in a second together. Zero:
	// each does the next as soon as the last is done.
	Rate float64

	// Phone is the beginning of the numbers that clients log in with; four
	// digits follow. Empty: nobody logs in, and there are no pushes.
	Phone string
	Code  string // the login code that each number gets

	// Metrics is the URL of the session process's Prometheus metrics. Empty:
	// what it uses is not told.
	Metrics string
}

// Limits of the setup.
const (
	maxClients   = 10_000 // four digits
	setupAtOnce  = 4      // key exchanges are work for the gateway
	setupTries   = 3      // of a client: what is measured is the load, not how it begins
	setupTimeout = time.Minute
	grace        = 2 * time.Second // for what is on its way at the end
)

func (c *Config) validate() error {
	switch {
	case c.Clients < 1 || c.Clients > maxClients:
		return fmt.Errorf("bench: %d clients, want 1 to %d", c.Clients, maxClients)
	case c.Duration <= 0 || c.Rate < 0:
		return errors.New("bench: duration and rate must not be negative, and the duration not zero")
	case c.Mix[Push] > 0 && (c.Phone == "" || c.Clients < 2):
		return errors.New("bench: pushes need a login (a phone number and its code) and two clients")
	case c.Mix.sum() == 0:
		return errors.New("bench: nothing to do")
	}
	return nil
}

// run is one load.
type run struct {
	Config
	results results
	end     time.Time
}

// Run puts the load on and reports it. It returns early with an error when a
// client cannot be set up or ctx ends.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	r := &run{Config: c}
	clients, err := r.setUp(ctx)
	hangUp := func() {
		for _, c := range clients {
			if c != nil {
				_ = c.s.Conn.Close()
			}
		}
	}
	defer hangUp()
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, hangUp)()
	before, err := usage.Read(ctx, c.Metrics)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	r.end = begin.Add(c.Duration)
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { c.work(ctx) })
	}
	wg.Wait()
	took := min(time.Since(begin), c.Duration)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	after, err := usage.Read(ctx, c.Metrics)
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		r.results.fail(Push, c.user.lost())
	}
	return r.results.report(c, took, after.Since(before)), nil
}

// setUp makes the clients, two with the same number after each other.
func (r *run) setUp(ctx context.Context) ([]*client, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout+time.Duration(r.Clients)*time.Second)
	defer cancel()
	clients := make([]*client, r.Clients)
	errs := make([]error, r.Clients)
	slots := make(chan struct{}, setupAtOnce)
	var wg sync.WaitGroup
	for first := 0; first < r.Clients; first += 2 {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			u := &user{}
			if r.Phone != "" {
				u.phone = fmt.Sprintf("%s%04d", r.Phone, first/2)
			}
			for i := first; i < min(first+2, r.Clients) && errs[first] == nil && ctx.Err() == nil; i++ {
				for try := 0; try < setupTries && (try == 0 || errs[i] != nil) && ctx.Err() == nil; try++ {
					clients[i], errs[i] = r.newClient(ctx, u)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return clients, fmt.Errorf("bench: set up: %w", err)
	}
	return clients, nil
}
