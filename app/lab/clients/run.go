package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/cluster"
)

// SlowTime is what a call of bff.SlowMethod has to take in the cluster, so
// that services restart while calls are under way.
const SlowTime = 3 * time.Second

// slowLink is slow as well, for TDLib, which never calls bff.SlowMethod on
// request.
const slowLink = "help.getDeepLinkInfo"

// Config of a run. Programs, Dir and Start are needed; the zero value of the
// others means their documented default.
type Config struct {
	// Programs is the folder with the client programs.
	Programs string
	// Dir takes what clients keep, binaries, and in Dir/logs a log a client.
	// It is made when it is missing.
	Dir string
	// Start starts the cluster, with what a run asks of its configuration.
	Start func(context.Context, Needs) (*cluster.Cluster, error)

	// Only are parts of names of clients; those whose name has none of them
	// are left out. Empty means all.
	Only []string
	// Steps are names of steps; the others are left out. Empty means all.
	Steps []string
	// Short leaves out the clients and steps of the full form.
	Short bool
	// SaltLife is how long a salt is used. Zero means 60s, in the short form 30s,
	// and in a soak what the cluster does by itself.
	SaltLife time.Duration
	// Soak, unless it is zero, has the clients be used and left alone for so
	// long in place of the walk (soaking).
	Soak time.Duration
	// Jobs is how many clients are walked at a time where much is computed.
	// Zero means 2.
	Jobs int
	// Progress takes a line for each cell as it is known. Nil means nothing.
	Progress io.Writer
}

// Needs is what a run asks of the cluster's configuration.
type Needs struct {
	// Passwords are second factors by phone number in digits.
	Passwords map[string]string
	// Slow are the methods of the BFF that take their time.
	Slow map[string]time.Duration
	// SaltLife is how long a salt is used.
	SaltLife time.Duration
}

// password is the second factor of every account that has one.
const password = "hunter2"

func (c *Config) setDefaults() {
	switch {
	case c.Soak > 0:
	case c.Short:
		c.SaltLife = cmp.Or(c.SaltLife, 30*time.Second)
	default:
		c.SaltLife = cmp.Or(c.SaltLife, time.Minute)
	}
	c.Jobs = cmp.Or(c.Jobs, 2)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
}

// Check tells of steps that there are not.
func (c *Config) Check() error {
	names, _ := c.Names()
	for _, s := range c.Steps {
		if !slices.Contains(names, s) {
			return fmt.Errorf("clients: no step %q; there are %s", s, strings.Join(names, ", "))
		}
	}
	return nil
}

// phases are what the clients go through.
func (c *Config) phases() []phase {
	if c.Soak > 0 {
		return soaking(c.Soak)
	}
	return walking()
}

// Names lists the names of all steps, in their order, with what they are about.
func (c *Config) Names() (names, about []string) {
	for _, p := range c.phases() {
		for _, s := range p.steps() {
			names, about = append(names, s.name), append(about, s.about)
		}
	}
	return names, about
}

// run is a run under way.
type run struct {
	cfg     Config
	cluster *cluster.Cluster
	table   *Table
	key     string // PEM
	bin     string
	skew    string // the script that moves a clock
}

// Run walks the clients through the steps and returns what came out. The error
// is about the runner or the cluster: what clients could not do is in the
// table.
func Run(ctx context.Context, cfg Config) (*Table, error) {
	cfg.setDefaults()
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	manifests, err := program.Load(cfg.Programs)
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, bin: filepath.Join(cfg.Dir, "bin"), table: newTable(cfg.Names())}
	if r.skew, err = filepath.Abs(filepath.Join(cfg.Programs, "js", "skew.cjs")); err != nil {
		return nil, err
	}
	if r.bin, err = filepath.Abs(r.bin); err != nil {
		return nil, err
	}
	for _, dir := range []string{r.bin, r.path("state"), r.path("logs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("clients: %w", err)
		}
	}
	walks := r.prepare(ctx, manifests)
	if len(r.table.clients) == 0 {
		return nil, fmt.Errorf("clients: none has one of %q in its name", cfg.Only)
	}
	if len(walks) == 0 {
		return r.table, nil
	}
	needs := Needs{Passwords: map[string]string{}, Slow: map[string]time.Duration{bff.SlowMethod: SlowTime, slowLink: SlowTime}, SaltLife: cfg.SaltLife}
	for _, w := range walks {
		needs.Passwords[strings.TrimPrefix(w.guarded.Phone, "+")] = password
	}
	if r.cluster, err = cfg.Start(ctx, needs); err != nil {
		return nil, err
	}
	defer r.cluster.Close()
	pem, err := os.ReadFile(r.cluster.PublicKeyPath())
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	r.key = string(pem)
	return r.table, r.walk(ctx, walks)
}

func (r *run) path(names ...string) string {
	return filepath.Join(append([]string{r.cfg.Dir}, names...)...)
}

// prepare makes the programs and returns the walks of those that could be made.
func (r *run) prepare(ctx context.Context, manifests []*program.Manifest) (walks []*walk) {
	number := 0
	for _, m := range manifests {
		wanted := slices.DeleteFunc(slices.Clone(m.Clients), func(c program.Client) bool { return !r.wanted(c) })
		if len(wanted) == 0 {
			continue
		}
		fmt.Fprintf(r.cfg.Progress, "making %s\n", m.Name())
		err := m.Prepare(ctx, r.bin, r.path("logs", "make-"+m.Name()+".log"))
		for _, c := range wanted {
			r.table.add(c.Name)
			if err != nil {
				r.table.skip(c.Name, err.Error())
				fmt.Fprintf(r.cfg.Progress, "%-22s skipped: %v\n", c.Name, err)
				continue
			}
			number++
			walks = append(walks, newWalk(r, m, c, number))
		}
	}
	return walks
}

func (r *run) wanted(c program.Client) bool {
	if len(r.cfg.Only) == 0 {
		return c.Short || !r.cfg.Short
	}
	return slices.ContainsFunc(r.cfg.Only, func(part string) bool {
		return strings.Contains(strings.ToLower(c.Name), strings.ToLower(part))
	})
}

// walk takes all walks through the phases, each of which begins for all when
// the one before has ended for all.
func (r *run) walk(ctx context.Context, walks []*walk) error {
	defer func() {
		var closing sync.WaitGroup
		for _, w := range walks {
			closing.Go(w.close)
		}
		closing.Wait()
	}()
	for _, p := range r.cfg.phases() {
		if err := p.run(ctx, r, walks); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if err := r.alive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive tells whether both services still run.
func (r *run) alive(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return r.cluster.Failed(ctx)
}

// noneError marks that a step does not apply to a client, and why.
type noneError struct{ why string }

func (e noneError) Error() string { return e.why }

// none ends a step without a verdict.
func none(why string) error { return noneError{why} }

// errPast ends a step that another one should have made possible.
var errPast = errors.New("not reached")

// judge turns the end of a step into a cell.
func judge(err error, took time.Duration, note string) Cell {
	var n noneError
	if errors.As(err, &n) {
		return Cell{Mark: None, Note: n.why}
	}
	if why, ok := program.Unsupported(err); ok {
		return Cell{Mark: None, Note: why}
	}
	if errors.Is(err, program.ErrNoClock) {
		return Cell{Mark: None, Note: err.Error()}
	}
	if errors.Is(err, errPast) {
		return Cell{Mark: Past}
	}
	if err != nil {
		return Cell{Mark: Fail, Took: took, Note: err.Error()}
	}
	return Cell{Mark: OK, Took: took, Note: note}
}
