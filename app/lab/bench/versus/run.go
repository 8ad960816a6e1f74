package versus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tgsession/tgsession/app/lab/bench/usage"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// Config says what to measure and how.
type Config struct {
	Dir            string   // for configuration files, logs and output of the processes; made when it is missing
	Session, Floor []string // the programs, with arguments; "-f FILE" is added

	Rows       []Row
	Pairs      int // measurements of a row: of session and of the floor, in turn
	Operations int // in a measurement of calls; pushes are four times as many
	Callers    int // operations under way at a time
	Keys       int // logged in

	// Idle is what to measure of keys that do nothing. IdleKeys are those whose
	// memory is told, QuietKeys those whose CPU time is told for Quiet. Memory is
	// looked at sixty times in Quiet.
	Idle                []State
	IdleKeys, QuietKeys int
	Quiet               time.Duration

	// ProfileDir takes CPU, heap and allocation profiles of session, one each a
	// row; empty: none are made. ProfileFor is how long a CPU profile is, whole
	// seconds.
	ProfileDir string
	ProfileFor time.Duration

	Progress io.Writer // takes lines of what is going on
}

func (c *Config) validate() error {
	switch {
	case c.Pairs < 1 || c.Operations < 1 || c.Callers < 1 || c.Keys < 1:
		return errors.New("pairs, operations, callers and keys must be 1 at least")
	case len(c.Rows)+len(c.Idle) == 0:
		return errors.New("no row to measure")
	case len(c.Idle) > 0 && (c.IdleKeys < 1 || c.QuietKeys < 1 || c.Quiet <= 0):
		return errors.New("idle keys and their time must be 1 at least")
	case c.ProfileDir != "" && c.ProfileFor < time.Second:
		return errors.New("a profile takes a second at least")
	}
	return nil
}

// run is one comparison.
type run struct {
	Config
	schema *tl.Schema
	peers  *peers
	keys   int64 // the last auth key id that was given
}

// Run measures all rows. On an error it returns what it has so far.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	report := &Report{
		Machine: thisMachine(), Began: time.Now().UTC().Truncate(time.Second),
		Pairs: c.Pairs, Operations: c.Operations, Callers: c.Callers, Keys: c.Keys,
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := &run{Config: c, keys: 1 << 40}
	var err error
	if r.schema, err = tl.Load(tl.Default); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if r.peers, err = startPeers(); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer r.peers.close()
	all := len(c.Rows) + len(c.Idle)
	for i, row := range c.Rows {
		r.say("[%d/%d] %s", i+1, all, row.Name)
		result, err := r.row(ctx, row)
		if err != nil {
			return report, fmt.Errorf("bench: %s: %w", row.Name, err)
		}
		report.Rows = append(report.Rows, result)
	}
	for i, state := range c.Idle {
		r.say("[%d/%d] %s", len(c.Rows)+i+1, all, state.Name)
		result, err := r.state(ctx, state)
		if err != nil {
			return report, fmt.Errorf("bench: %s: %w", state.Name, err)
		}
		report.Idle = append(report.Idle, result)
	}
	return report, nil
}

// say tells of progress.
func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Progress, format+"\n", args...) }

// row measures session and the floor in turn.
func (r *run) row(ctx context.Context, row Row) (result RowResult, err error) {
	what, err := newContent(r.schema, row.body)
	if err != nil {
		return result, err
	}
	ours, packetLen, err := r.loadSession(ctx, row, what)
	if ours != nil {
		defer ours.t.close()
	}
	if err != nil {
		return result, err
	}
	theirs, err := r.loadFloor(ctx, row, what, packetLen)
	if theirs != nil {
		defer theirs.t.close()
	}
	if err != nil {
		return result, err
	}
	n := row.operations(r.Operations)
	var samples, floor []Sample
	for pair := range r.Pairs {
		a, b, err := r.pair(ctx, ours, theirs, n, pair%2 == 1)
		if err != nil {
			return result, err
		}
		samples, floor = append(samples, a), append(floor, b)
		r.say("  pair %d of %d: session %.0f ms, floor %.0f ms of CPU for %d operations, ratio %.2f", pair+1, r.Pairs,
			1000*a.CPU.Seconds(), 1000*b.CPU.Seconds(), n, float64(a.CPU)/float64(b.CPU))
	}
	if err := r.profile(ctx, row.Key, ours); err != nil {
		return result, err
	}
	return summarise(row, n, samples, floor), nil
}

// turns are how often the two alternate in a pair: what else a machine does
// comes and goes within seconds, and meets both.
const turns = 4

// pair measures both during n operations each, in turns. Who is first changes from
// pair to pair, so that neither has the advantage of it.
func (r *run) pair(ctx context.Context, ours, theirs *load, n int, floorFirst bool) (a, b Sample, err error) {
	for turn := range turns {
		part := n*(turn+1)/turns - n*turn/turns
		for _, floor := range []bool{floorFirst, !floorFirst} {
			l, sum := ours, &a
			if floor {
				l, sum = theirs, &b
			}
			s, err := r.sample(ctx, l, part)
			if err != nil {
				return a, b, err
			}
			sum.add(s)
		}
	}
	return a, b, nil
}

// loadSession starts session and warms it up. It returns how long the packets are
// that it sends. The load's target is to be closed, with an error too.
func (r *run) loadSession(ctx context.Context, row Row, what content) (l *load, packetLen int, err error) {
	r.peers.desk.answers(what.pb)
	t, err := r.startSession(ctx, row.streams, "")
	if err != nil {
		return nil, 0, err
	}
	l = row.load(t, what)
	if err := r.logIn(ctx, t, r.Keys); err != nil {
		return l, 0, err
	}
	if row.push {
		for _, d := range t.devices {
			d.expectPushes()
		}
	}
	if err := r.warm(ctx, l); err != nil {
		return l, 0, err
	}
	packets, sent := r.peers.gate.packets.Load(), r.peers.gate.bytes.Load()
	if _, err := l.do(ctx, r.Callers, r.Callers); err != nil {
		return l, 0, err
	}
	packets, sent = r.peers.gate.packets.Load()-packets, r.peers.gate.bytes.Load()-sent
	return l, int(sent / max(packets, 1)), nil
}

// loadFloor starts the floor and warms it up, likewise.
func (r *run) loadFloor(ctx context.Context, row Row, what content, packetLen int) (l *load, err error) {
	t, err := r.startFloor(ctx, row, packetLen)
	if err != nil {
		return nil, err
	}
	l = row.load(t, what)
	for _, d := range r.newDevices(t, r.Keys, true) {
		if !row.push {
			break // their first call makes them known
		}
		// Not through the stream: a push of sync's, through another one, could be
		// there first.
		if _, err := t.gateway.SessionSendDataToSession(ctx, &session.TLSessionSendDataToSession{Data: d.say(words(0), true)}); err != nil {
			return l, err
		}
	}
	return l, r.warm(ctx, l)
}

// load is the row's load on a target.
func (row Row) load(t *target, what content) *load {
	if row.push {
		l := &load{t: t, kind: pushes, body: what.pb}
		if row.unlike {
			l.date = what.date()
		}
		return l
	}
	return &load{t: t, body: callBody()}
}

// warmGarbage is how much a process has allocated when it is warm, bytes. A node lets
// 64 MiB of garbage gather; until the collector has run twice its memory is new, and the
// page faults of that are no part of what an operation costs.
const warmGarbage = 160 << 20

// warm has pools, maps, connections and the heap grow to what they are under load.
func (r *run) warm(ctx context.Context, l *load) error {
	for {
		seen, err := l.do(ctx, r.Callers, max(r.Operations/3, 2*len(l.t.devices)))
		if err != nil {
			return err
		}
		if seen.lost > 0 {
			return fmt.Errorf("%s: %d operations had no answer", l.t.name, seen.lost)
		}
		used, err := usage.Read(ctx, l.t.debug+"/metrics")
		if err != nil || used.Bytes >= warmGarbage {
			return err
		}
	}
}

// newDevices adds devices to a target.
func (r *run) newDevices(t *target, n int, raw bool) []*device {
	from := len(t.devices)
	for range n {
		r.keys++
		d := newDevice(r.keys, r.peers.gateway, raw)
		t.devices = append(t.devices, d)
		r.peers.gate.devices.Store(d.session, d)
	}
	return t.devices[from:]
}

// logIn adds logged-in devices to a session node: each asks for the state, as
// clients do that take updates, and acknowledges what came.
func (r *run) logIn(ctx context.Context, t *target, n int) error {
	before := t.devices
	defer func() { t.devices = append(before, t.devices...) }()
	t.devices = nil
	added := r.newDevices(t, n, false)
	seen, err := (&load{t: t, body: words(idGetState)}).each(ctx, r.Callers)
	if err == nil && seen.lost > 0 {
		err = fmt.Errorf("%d of %d keys were not logged in", seen.lost, n)
	}
	if err != nil {
		return err
	}
	for _, d := range added {
		if acks := d.takeAcks(1); acks != nil {
			if err := t.post(ctx, d.say(msgsAck(acks), false)); err != nil {
				return err
			}
		}
	}
	return nil
}
