package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// startPair starts the two services.
func (c *Cluster) startPair(ctx context.Context) (err error) {
	// The embedded engine keeps transactions apart by there being one
	// connection, and its schema is the final one already.
	connections, migrate := 64, true
	if c.cfg.MySQL == "" {
		connections, migrate = 1, false
	}
	c.onClose(func() {
		_ = c.gateway.Close() // so that session hears clients leave
		if c.entry != nil {
			_ = c.entry.Close()
		}
		bound := context.WithoutCancel(ctx)
		var errs []error
		for _, s := range slices.Concat(c.sessions, []*service{c.authsession}) {
			errs = append(errs, s.stop(bound))
		}
		if err := errors.Join(errs...); err != nil {
			c.cfg.Log.Error("stopping the pair", "err", err)
		}
	})
	admin, err := c.adminYAML()
	if err != nil {
		return err
	}
	c.authsession, err = c.launch(ctx, spec{key: authsessionKey, name: authsessionKey, text: authsessionYAML, args: c.cfg.AuthSession, fields: map[string]any{
		"DSN": quote(c.dsn), "Redis": quote(c.redis), "Connections": connections, "Migrate": migrate,
		"SaltLife": c.cfg.SaltLife, "Extra": c.cfg.AuthSessionYAML + admin,
	}})
	for err == nil && len(c.sessions) < c.cfg.SessionNodes {
		err = c.AddSession(ctx)
	}
	return err
}

// AddSession starts one more session node and returns when peers can find and
// call it: some keys move to it.
func (c *Cluster) AddSession(ctx context.Context) error {
	name := sessionKey
	if n := len(c.sessions); n > 0 {
		name = fmt.Sprint(sessionKey, "-", n+1)
	}
	devServer, dev, err := c.devServerYAML()
	if err != nil {
		return err
	}
	s, err := c.launch(ctx, spec{key: sessionKey, name: name, text: sessionYAML, args: c.cfg.Session, fields: map[string]any{
		"Groups": c.bff.Groups(), "Extra": c.cfg.SessionYAML + devServer,
	}})
	if s != nil {
		s.dev = dev
		c.sessions = append(c.sessions, s) // to be stopped, with an error too
	}
	return err
}

// RemoveSession stops the session node that was added last, with SIGTERM: its
// keys move to the others. The last node stays.
func (c *Cluster) RemoveSession(ctx context.Context) error {
	last := len(c.sessions) - 1
	if last == 0 {
		return errors.New("cluster: the last session node is not removed")
	}
	err := c.sessions[last].stop(ctx)
	c.sessions = c.sessions[:last]
	return err
}

// RestartSession stops the session nodes with SIGTERM and starts them again, one
// after the other, and returns when all serve.
func (c *Cluster) RestartSession(ctx context.Context) error {
	for _, s := range c.sessions {
		if err := s.restart(ctx); err != nil {
			return err
		}
	}
	return nil
}

// KillSession ends all session nodes at once with SIGKILL, as a machine that
// fails does: nothing is handed over, and etcd lists them until their leases
// end. It returns when they serve again, at the same addresses.
func (c *Cluster) KillSession(ctx context.Context) error {
	for _, s := range c.sessions {
		if err := s.child.Kill(ctx); err != nil {
			return err
		}
	}
	for _, s := range c.sessions {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// RestartAuthSession stops authsession and returns when it serves again.
func (c *Cluster) RestartAuthSession(ctx context.Context) error { return c.authsession.restart(ctx) }

// Failed returns the end of a service that ended by itself, once one does; nil
// when ctx ends first. It knows the services that run when it is called: not
// those that are added or restarted meanwhile, and those that are stopped count
// as failed.
func (c *Cluster) Failed(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(c.sessions)+1)
	for _, s := range slices.Concat(c.sessions, []*service{c.authsession}) {
		child := s.child
		go func() {
			select {
			case <-child.Done():
				ended <- child.Ended()
			case <-ctx.Done():
			}
		}()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}
