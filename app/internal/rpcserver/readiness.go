package rpcserver

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"
)

// A server lives as long as its process answers, and is ready while it can do its work.
// Who starts processes needs both: one that does not live is to be started anew, one that
// is not ready is to be waited for. So they are asked for apart, over HTTP (dev.go) and as
// services of gRPC's health service:
//
//	liveness    SERVING for as long as somebody answers
//	readiness   SERVING while all checks succeed
//	(none)      SERVING until the server stops
const (
	Liveness  = "liveness"
	Readiness = "readiness"
)

const (
	checkEvery = 2 * time.Second
	checkTime  = 2 * time.Second // of one check
	checkAge   = 4 * checkEvery  // a check that has said nothing for so long counts as failed
)

// Check is one thing that a server needs.
type Check struct {
	Name string
	// Ask returns what there is to say in a few words, or why it fails. It ends with ctx,
	// and changes nothing.
	Ask func(ctx context.Context) (text string, err error)
	// Optional says that the server works without it: its failure is told, and no more.
	Optional bool
}

// Finding is what a check has said.
type Finding struct {
	Name     string
	Text     string
	OK       bool
	Optional bool
}

// String is its line of /readyz.
func (f Finding) String() string {
	mark := "ok  "
	switch {
	case !f.OK && f.Optional:
		mark = "warn"
	case !f.OK:
		mark = "FAIL"
	}
	return fmt.Sprintf("%s  %s: %s", mark, f.Name, strings.Join(strings.Fields(f.Text), " "))
}

// phase is where a server is in its life.
type phase int

const (
	starting phase = iota
	serving
	stopping
)

var phaseTexts = [...]string{starting: "the server is starting", serving: "serves", stopping: "the server is stopping: it takes no new work"}

// readiness asks the checks in turn, and remembers what they said.
type readiness struct {
	checks []Check
	set    func(grpc_health_v1.HealthCheckResponse_ServingStatus) // of service readiness

	mu     sync.Mutex
	phase  phase
	said   []said // of each check
	cancel context.CancelFunc
	busy   sync.WaitGroup
}

type said struct {
	text   string
	err    error
	at     time.Time // zero: nothing yet
	asking bool      // a check that hangs is not asked a second time
}

func newReadiness(checks []Check, set func(grpc_health_v1.HealthCheckResponse_ServingStatus)) *readiness {
	set(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	return &readiness{checks: checks, set: set, said: make([]said, len(checks))}
}

// begin asks the checks from now on, until end.
func (r *readiness) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	r.mu.Lock()
	if r.phase != starting {
		r.mu.Unlock()
		cancel()
		return
	}
	r.phase, r.cancel = serving, cancel
	r.mu.Unlock()
	r.busy.Go(func() {
		tick := time.NewTicker(checkEvery)
		defer tick.Stop()
		for {
			r.round(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// round asks all checks side by side.
func (r *readiness) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	done := make(chan struct{}, len(r.checks))
	asked := 0
	for i := range r.checks {
		if !r.start(i) {
			continue
		}
		asked++
		r.busy.Go(func() {
			text, err := r.checks[i].Ask(ctx)
			r.mu.Lock()
			r.said[i] = said{text: text, err: err, at: time.Now()}
			r.mu.Unlock()
			done <- struct{}{}
		})
	}
	for range asked {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
	r.publish()
}

// start notes that a check is being asked. False: it has not answered yet.
func (r *readiness) start(i int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	asking := r.said[i].asking
	r.said[i].asking = true
	return !asking
}

// publish tells gRPC's health service.
func (r *readiness) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if ready, _ := r.findings(time.Now()); ready {
		state = grpc_health_v1.HealthCheckResponse_SERVING
	}
	r.set(state)
}

// stop makes the server one that is not ready, for good. It does not wait.
func (r *readiness) stop() {
	r.mu.Lock()
	r.phase = stopping
	cancel := r.cancel
	r.set(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	r.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// end waits, after stop, for the checks under way, which ends with ctx at the latest.
func (r *readiness) end(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		r.busy.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Findings returns whether the server is ready, and what each check says.
func (r *readiness) Findings() (ready bool, findings []Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.findings(time.Now())
}

// findings is Findings for who holds r.mu.
func (r *readiness) findings(now time.Time) (ready bool, findings []Finding) {
	ready = r.phase == serving
	findings = append(findings, Finding{Name: "state", Text: phaseTexts[r.phase], OK: ready})
	for i, c := range r.checks {
		f, s := Finding{Name: c.Name, Optional: c.Optional}, r.said[i]
		switch {
		case s.at.IsZero():
			f.Text = "has not been asked yet"
		case now.Sub(s.at) > checkAge:
			f.Text = fmt.Sprintf("the check has said nothing for %v", now.Sub(s.at).Round(time.Second))
		case s.err != nil:
			f.Text = s.err.Error()
		default:
			f.OK, f.Text = true, s.text
		}
		ready = ready && (f.OK || f.Optional)
		findings = append(findings, f)
	}
	return ready, findings
}
