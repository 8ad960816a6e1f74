package demo

import (
	"cmp"
	"context"
	"crypto/rsa"
	"fmt"
	"io"
	"time"

	"github.com/gotd/td/telegram/dcs"
)

// Target is the cluster to try.
type Target struct {
	// Addr is where clients connect, host:port with a numeric host.
	Addr string
	// Key is the gateway's RSA key.
	Key *rsa.PublicKey
	// DC is the id of the data centre.
	DC int
	// Code is the login code of the cluster's BFF.
	Code string
	// Protocol is the transport clients speak. Nil means intermediate.
	Protocol dcs.Protocol
	// RestartAuthSession and RestartSession stop a service and return when
	// it serves again. Nil leaves the step out.
	RestartAuthSession, RestartSession func(context.Context) error
	// Online returns the perm keys of a user that the status service knows to
	// be online. A device's first answer does not wait for that service; the
	// scenario does, before it relies on pushes. Nil: it does not wait.
	Online func(ctx context.Context, userID int64) ([]int64, error)
	// StepTimeout bounds each step. Zero means 45s.
	StepTimeout time.Duration
	// ClientLog takes the log of the clients. Nil means none.
	ClientLog io.Writer
}

// Step is what Run has just done.
type Step struct {
	Name string
	Took time.Duration
}

// Run plays the scenario and reports each step when it is done. It returns how
// many steps passed, and why it stopped before the end if it did.
func Run(ctx context.Context, t Target, report func(Step)) (passed int, err error) {
	t.StepTimeout = cmp.Or(t.StepTimeout, 45*time.Second)
	s := &scenario{Target: t}
	defer s.close()
	for _, step := range s.steps() {
		if step.run == nil {
			continue
		}
		begin := time.Now()
		bound, cancel := context.WithTimeout(ctx, t.StepTimeout)
		err := step.run(bound)
		cancel()
		if err != nil {
			return passed, fmt.Errorf("%s: %w", step.name, err)
		}
		passed++
		report(Step{step.name, time.Since(begin)})
	}
	return passed, nil
}

// step is one line of the scenario; without run it is left out.
type step struct {
	name string
	run  func(context.Context) error
}
