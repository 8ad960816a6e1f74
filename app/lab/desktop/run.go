package desktop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tgsession/tgsession/app/lab/clients/netns"
	"github.com/tgsession/tgsession/app/lab/cluster"
)

// Config of a run.
type Config struct {
	// Dir is a folder of this run's own, for everything that is written.
	Dir string
	// Self is the program and the arguments that lead to netns.Main.
	Self []string
	// Start starts the cluster.
	Start func(context.Context) (*cluster.Cluster, error)
	// Screenshot is a PNG file for what Desktop shows in the middle of a talk.
	// Empty: none is made.
	Screenshot string
	// Passed hears of each step.
	Passed func(name string, took time.Duration)
	// Notes takes a line here and there. Nil means nothing.
	Notes io.Writer

	publicKey []byte // PEM
}

// Missing returns why this machine cannot run the scenario, or nil.
func Missing(ctx context.Context, self ...string) error {
	for _, name := range []string{program, "Xvfb", "xdotool"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not installed; Debian has it: apt-get install --no-install-recommends telegram-desktop xvfb xdotool", name)
		}
	}
	return netns.Check(ctx, self...)
}

// Run plays the scenario. After an error Dir holds failure.png, what the screen
// showed, intro.png, what it showed before the login, and Desktop's logs.
func Run(ctx context.Context, cfg Config) (err error) {
	if cfg.Notes == nil {
		cfg.Notes = io.Discard
	}
	begin := time.Now()
	s := &scenario{cfg: cfg}
	if s.cluster, err = cfg.Start(ctx); err != nil {
		return err
	}
	defer s.cluster.Close()
	if s.cfg.publicKey, err = os.ReadFile(s.cluster.PublicKeyPath()); err != nil {
		return err
	}
	defer s.close()
	cfg.Passed("the cluster starts", time.Since(begin))
	for _, st := range s.steps() {
		begin := time.Now()
		bounded, cancel := context.WithTimeout(ctx, st.bound)
		err := st.run(bounded)
		cancel()
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", st.name, err), s.failure())
		}
		cfg.Passed(st.name, time.Since(begin))
	}
	return nil
}

// failure keeps what the screen shows, and has shown at first.
func (s *scenario) failure() error {
	if s.screen == nil {
		return nil
	}
	err := s.screen.save(filepath.Join(s.cfg.Dir, "failure.png"))
	if s.intro != nil {
		err = errors.Join(err, write(filepath.Join(s.cfg.Dir, "intro.png"), s.intro))
	}
	return err
}
