package versus

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tgsession/tgsession/proto/tl"
)

// Config says what to measure and where.
type Config struct {
	Dir            string   // for configuration files, logs and output of the processes
	Session, Floor []string // the programs, with arguments; "-f FILE" is added
	Rows           []Row
	Pairs          int // measurements of each, one of session and one of the floor in turn
	Operations     int // in a measurement
	Callers, Keys  int
	Progress       io.Writer
}

// run is one comparison.
type run struct {
	Config
	schema *tl.Schema
	peers  *peers
	keys   int64 // the last auth key id that was given
}

// Run measures all rows.
func Run(ctx context.Context, c Config) ([]Result, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := &run{Config: c, keys: 1 << 40}
	var err error
	if r.schema, err = tl.Load(tl.Default); err != nil {
		return nil, err
	}
	if r.peers, err = startPeers(); err != nil {
		return nil, err
	}
	defer r.peers.close()
	var results []Result
	for i, row := range c.Rows {
		fmt.Fprintf(c.Progress, "[%d/%d] %s\n", i+1, len(c.Rows), row.Name)
		result, err := r.row(ctx, row)
		if err != nil {
			return results, fmt.Errorf("%s: %w", row.Name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

// Sample is one measurement of a process.
type Sample struct {
	CPU     time.Duration // for Operations
	Mallocs float64
	Bytes   float64
	Lost    int
	Packets int64 // that came to the gateway
	Out     int64 // their bytes
	Took    []time.Duration `json:"-"`
}

// Result is a row, measured.
type Result struct {
	Row            Row
	Operations     int // in a sample
	Session, Floor []Sample
}

// row measures session and the floor in turn.
func (r *run) row(ctx context.Context, row Row) (out Result, err error) {
	out = Result{Row: row, Operations: r.Operations}
	what, err := newContent(r.schema, row.body)
	if err != nil {
		return out, err
	}
	body := callBody()
	if row.push {
		body = what.pb
	}
	r.peers.desk.answers(what.pb)

	session, err := r.startSession(ctx, row)
	if err != nil {
		return out, err
	}
	defer session.close()
	if err := r.logIn(ctx, session, row); err != nil {
		return out, err
	}
	ours := &load{t: session, row: row, body: body}
	warm := max(r.Operations/3, 2*r.Keys)
	if _, err := ours.do(ctx, r.Callers, warm); err != nil {
		return out, err
	}
	// All answers have come; the last packet is one of them.
	packetBytes := int(r.peers.gate.payload.Load())

	floor, err := r.startFloor(ctx, row, packetBytes)
	if err != nil {
		return out, err
	}
	defer floor.close()
	if err := r.introduce(ctx, floor, row); err != nil {
		return out, err
	}
	theirs := &load{t: floor, row: row, body: body}
	if _, err := theirs.do(ctx, r.Callers, warm); err != nil {
		return out, err
	}
	for pair := range r.Pairs {
		order := []*load{ours, theirs}
		if pair%2 == 1 {
			order[0], order[1] = order[1], order[0]
		}
		for _, l := range order {
			s, err := r.sample(ctx, l)
			if err != nil {
				return out, err
			}
			if l == ours {
				out.Session = append(out.Session, s)
			} else {
				out.Floor = append(out.Floor, s)
			}
		}
		a, b := out.Session[pair], out.Floor[pair]
		fmt.Fprintf(r.Progress, "  pair %d of %d: session %s, floor %s of CPU for %d operations: %.2f\n",
			pair+1, r.Pairs, a.CPU.Round(time.Millisecond), b.CPU.Round(time.Millisecond), r.Operations, float64(a.CPU)/float64(b.CPU))
	}
	return out, nil
}

// sample measures a process while it is under load.
func (r *run) sample(ctx context.Context, l *load) (s Sample, err error) {
	packets, sent := r.peers.gate.packets.Load(), r.peers.gate.bytes.Load()
	before, err := cpuTime(l.t.child.PID())
	if err != nil {
		return s, err
	}
	seen, err := l.do(ctx, r.Callers, r.Operations)
	if err != nil {
		return s, err
	}
	after, err := cpuTime(l.t.child.PID())
	if err != nil {
		return s, err
	}
	s.CPU, s.Lost, s.Took = after-before, seen.lost, seen.took
	s.Packets, s.Out = r.peers.gate.packets.Load()-packets, r.peers.gate.bytes.Load()-sent
	return s, nil
}

func (r *run) newDevices(t *target, row Row, raw bool) {
	for range r.Keys {
		r.keys++
		d := newDevice(r.keys, r.peers.gateway, raw, row.push)
		t.devices = append(t.devices, d)
		r.peers.gate.devices.Store(d.session, d)
	}
}

// logIn makes the devices of a session node: each asks for the state, as clients
// do that take updates.
func (r *run) logIn(ctx context.Context, t *target, row Row) error {
	r.newDevices(t, Row{}, false)
	var body []byte
	body = binary.LittleEndian.AppendUint32(body, idGetState)
	asking := &load{t: t, body: body}
	seen, err := asking.do(ctx, r.Callers, r.Keys)
	if err != nil {
		return err
	}
	if seen.lost > 0 {
		return fmt.Errorf("bench: %d of %d keys were not logged in", seen.lost, r.Keys)
	}
	for _, d := range t.devices {
		d.push = row.push
		if err := t.post(ctx, d.acknowledge(d.takeAcks())); err != nil {
			return err
		}
	}
	return nil
}

// introduce makes the devices of the floor known to it.
func (r *run) introduce(ctx context.Context, t *target, row Row) error {
	r.newDevices(t, row, true)
	if !row.push {
		return nil // their first call does it
	}
	for _, d := range t.devices {
		if err := t.post(ctx, d.message([]byte{0, 0, 0, 0})); err != nil {
			return err
		}
	}
	return nil
}
