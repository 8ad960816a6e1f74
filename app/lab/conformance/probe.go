package conformance

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// Bounds of waiting. What has to come is awaited for Target.Patience.
const (
	defaultPatience = 10 * time.Second
	silence         = 700 * time.Millisecond // for what must not come
	reconnects      = 4                      // until what is owed has come
)

// checkTimeout bounds a whole check, which may want some answers in a row and
// waits of its own.
func (t *Target) checkTimeout() time.Duration { return 6*t.Patience + 30*time.Second + pingGrace }

// probe is what one check works with. Its methods end the check when the
// server does not do its part.
type probe struct {
	ctx      context.Context
	target   *Target
	worker   *worker
	failure  string
	skipped  string
	sessions []*session
	conns    []*wire.Conn
}

// fail ends the check.
func (p *probe) fail(want, got string, args ...any) {
	p.failure = "expected " + want + ", got " + fmt.Sprintf(got, args...)
	runtime.Goexit()
}

// skip ends the check without a verdict.
func (p *probe) skip(why string) {
	p.skipped = why
	runtime.Goexit()
}

func (p *probe) must(what string, err error) {
	if err != nil {
		p.fail(what, "%v", err)
	}
}

func (p *probe) check(ok bool, want, got string, args ...any) {
	if !ok {
		p.fail(want, got, args...)
	}
}

// wait lets the server's clock go on.
func (p *probe) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
		p.must("time enough", p.ctx.Err())
	}
}

// close ends what the check left open.
func (p *probe) close() {
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *probe) dialAs(t wire.Transport, obfuscated bool) *wire.Conn {
	c, err := wire.Dial(p.ctx, p.target.Addr, t, obfuscated, p.target.DC)
	p.must("a connection", err)
	p.conns = append(p.conns, c)
	return c
}

func (p *probe) dial() *wire.Conn { return p.dialAs(wire.Intermediate, false) }

// newKey exchanges a key: a permanent one when expiresIn is 0.
func (p *probe) newKey(expiresIn int) *wire.Key { return p.newKeyOf(p.target.DC, expiresIn) }

func (p *probe) newKeyOf(dc, expiresIn int) *wire.Key {
	k, err := wire.Connect(p.ctx, p.target.Addr, p.target.Key, dc, expiresIn)
	p.must("a key exchange", err)
	return k
}

// perm is the worker's permanent key, whose client info is stored.
func (p *probe) perm() *wire.Key {
	if p.worker.perm == nil {
		k := p.newKey(0)
		s := p.sessionOf(k)
		s.result(s.call(initialised(nearestDC)))
		p.worker.perm = k
	}
	return p.worker.perm
}

// unbound is the worker's temporary key, which no check may bind.
func (p *probe) unbound() *wire.Key {
	if p.worker.unbound == nil {
		p.worker.unbound = p.newKey(day)
	}
	return p.worker.unbound
}

// session opens a session of the worker's key on a connection of its own.
func (p *probe) session() *session { return p.sessionOf(p.perm()) }

func (p *probe) sessionOf(k *wire.Key) *session { return p.sessionOn(p.dial(), k) }

func (p *probe) sessionOn(c *wire.Conn, k *wire.Key) *session {
	s := &session{Session: wire.NewSession(c, k), p: p}
	p.sessions = append(p.sessions, s)
	return s
}
