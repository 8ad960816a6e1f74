package cluster

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/tgsession/tgsession/app/lab/proc"
)

const (
	readyTimeout = 2 * time.Minute  // on a machine that is busy with ten other tests
	stopTimeout  = 40 * time.Second // more than a service takes by itself
)

var (
	//go:embed session.yaml.tmpl
	sessionYAML string
	//go:embed authsession.yaml.tmpl
	authsessionYAML string
)

// quote makes any text a yaml scalar: JSON is yaml.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

// spec says what service to launch.
type spec struct {
	key    string // in etcd
	name   string // of its files; the nodes of one service have one each
	text   string // the template of its configuration file
	args   []string
	fields map[string]any // of text
}

// service is one of the pair: where it listens stays the same over restarts.
type service struct {
	key   string // in etcd
	name  string
	args  []string
	addr  string
	dev   string // where the DevServer of a session node is; empty: nowhere
	out   string
	find  func(ctx context.Context, key string) ([]string, error)
	child *proc.Child
}

// launch starts a service, at another address when somebody was quicker to take
// the one it should have. What it returns is to be stopped, with an error too.
func (c *Cluster) launch(ctx context.Context, q spec) (s *service, err error) {
	for range 3 {
		if s, err = c.newService(q); err != nil {
			return nil, err
		}
		err = s.start(ctx)
		if !errors.Is(err, proc.ErrEnded) || !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			break
		}
	}
	return s, err
}

// newService writes the configuration file of a service.
func (c *Cluster) newService(q spec) (*service, error) {
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	s := &service{key: q.key, name: q.name, addr: addr, out: filepath.Join(c.logs, q.name+".out"), find: c.disc.Values}
	etcd := make([]string, len(c.etcd))
	for i, e := range c.etcd {
		etcd[i] = quote(e)
	}
	q.fields["ListenOn"], q.fields["Etcd"], q.fields["Logs"] = quote(addr), etcd, quote(filepath.Join(c.logs, q.name))
	t, err := template.New(q.name).Option("missingkey=error").Parse(q.text)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, q.fields); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	path := filepath.Join(c.cfg.Dir, q.name+".yaml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil { // the DSN may hold a password
		return nil, fmt.Errorf("cluster: %w", err)
	}
	s.args = append(slices.Clone(q.args), "-f", path)
	return s, nil
}

// start returns when peers can find and call the service.
func (s *service) start(ctx context.Context) error {
	child, err := proc.Start(proc.Spec{Name: s.name, Args: s.args, Output: s.out})
	if err != nil {
		return err
	}
	s.child = child
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return child.WaitReady(ctx, s.addr, func(ctx context.Context) (bool, error) {
		addrs, err := s.find(ctx, s.key)
		return slices.Contains(addrs, s.addr), err
	})
}

func (s *service) stop(ctx context.Context) error {
	if s == nil || s.child == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return s.child.Stop(ctx)
}

func (s *service) restart(ctx context.Context) error {
	if err := s.stop(ctx); err != nil {
		return err
	}
	return s.start(ctx)
}
