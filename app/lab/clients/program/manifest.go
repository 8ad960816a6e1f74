package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tgsession/tgsession/app/lab/pause"
)

// ManifestFile is the file in a program's folder that says how the program is
// made and which clients it can be.
const ManifestFile = "client.json"

// Manifest is what a ManifestFile holds. In Make and Run the word ${BIN}
// stands for a folder of this run where binaries go. All of it runs in the
// program's folder.
type Manifest struct {
	// Needs are commands without which nothing can be made or run.
	Needs []string `json:"needs,omitempty"`
	// Make are the commands that make the program.
	Make [][]string `json:"make,omitempty"`
	// From and Made are files of the folder: nothing is made while Made is
	// not older than From. Empty: it is made each time.
	From string `json:"from,omitempty"`
	Made string `json:"made,omitempty"`
	// Run starts the program.
	Run []string `json:"run"`
	// Clock is how the program is given a wrong clock.
	Clock Clock `json:"clock,omitempty"`
	// Clients are the clients that the program can be.
	Clients []Client `json:"clients"`

	dir string // where the program is
}

// Client is one client: a release of a library, set up in one way.
type Client struct {
	// Name is what the table calls it.
	Name string `json:"name"`
	// Release and PFS are handed to the command "start".
	Release string `json:"release,omitempty"`
	PFS     bool   `json:"pfs,omitempty"`
	// Short puts it into the short form.
	Short bool `json:"short,omitempty"`
}

// Clock is a way to a wrong clock. A program that names none has none.
type Clock string

const (
	// ClockOwn says that the program reads CLOCK_SKEW_SECONDS itself.
	ClockOwn Clock = "own"
	// ClockNode has Node.js load a script that moves Date.
	ClockNode Clock = "node"
	// ClockFake loads libfaketime before the program.
	ClockFake Clock = "faketime"
)

// Load reads the manifests of all folders below dir that have one.
func Load(dir string) ([]*Manifest, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", ManifestFile))
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	slices.Sort(files)
	var all []*Manifest
	for _, f := range files {
		m, err := read(f)
		if err != nil {
			return nil, fmt.Errorf("clients: %s: %w", f, err)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("clients: no folder below %s has a %s", dir, ManifestFile)
	}
	return all, nil
}

func read(file string) (*Manifest, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	m := &Manifest{}
	if err := dec.Decode(m); err != nil {
		return nil, err
	}
	if m.dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
		return nil, err
	}
	switch {
	case len(m.Run) == 0:
		return nil, errors.New(`"run" is missing`)
	case len(m.Clients) == 0:
		return nil, errors.New(`"clients" is empty`)
	case !slices.Contains([]Clock{"", ClockOwn, ClockNode, ClockFake}, m.Clock):
		return nil, fmt.Errorf(`unknown "clock": %q`, m.Clock)
	}
	for _, c := range m.Clients {
		if c.Name == "" {
			return nil, errors.New("a client has no name")
		}
	}
	return m, nil
}

// Name is the name of the program's folder.
func (m *Manifest) Name() string { return filepath.Base(m.dir) }

// Prepare makes the program, with binaries in bin and all output in the file
// log. The error says in one line why it cannot be made here.
func (m *Manifest) Prepare(ctx context.Context, bin, log string) error {
	for _, n := range m.Needs {
		if _, err := exec.LookPath(n); err != nil {
			return fmt.Errorf("%s is not installed", n)
		}
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if m.fresh() {
		return nil
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, args := range m.Make {
		args := expand(args, bin)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = m.dir, out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w (%s)", strings.Join(args, " "), err, log)
		}
	}
	return nil
}

// lock waits until no other process makes the program: two that do so in one folder each
// take away what the other has.
func (m *Manifest) lock(ctx context.Context) (unlock func(), err error) {
	const again = 100 * time.Millisecond
	dir, err := os.Open(m.dir)
	if err != nil {
		return nil, err
	}
	for {
		switch err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return func() { _ = dir.Close() }, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			err = pause.For(ctx, again)
		}
		if err != nil {
			_ = dir.Close()
			return nil, fmt.Errorf("%s: %w", m.dir, err)
		}
	}
}

// fresh tells whether the program has been made from what is there now.
func (m *Manifest) fresh() bool {
	if m.From == "" || m.Made == "" {
		return false
	}
	from, err := os.Stat(filepath.Join(m.dir, m.From))
	if err != nil {
		return false
	}
	made, err := os.Stat(filepath.Join(m.dir, m.Made))
	return err == nil && !made.ModTime().Before(from.ModTime())
}

func expand(args []string, bin string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = strings.ReplaceAll(a, "${BIN}", bin)
	}
	return out
}
