package svc

import (
	"cmp"
	"context"
	"time"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/tl"
)

const (
	measureEvery = 5 * time.Second
	flushTime    = 3 * time.Second // for what was queued when the last answer was there
)

// measure keeps the gauges and closes what is idle.
func (s *ServiceContext) measure(ctx context.Context) {
	defer s.busy.Done()
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	var layers tl.Stats
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			layers = s.measureLayers(layers)
			metrics.GatewayQueue.Set(float64(s.Gateways.Sweep(now)))
			metrics.Queued.Set(float64(s.Keys.Waiting()), "keys")
			metrics.Queued.Set(float64(s.Cluster.Nodes.Waiting()), "forward")
			metrics.Queued.Set(float64(s.Cluster.Parked.Waiting()), "stray")
			metrics.Queued.Set(float64(s.Runloop.CallBytes()), "calls")
			metrics.AuthKeys.Set(float64(s.Runloop.Count()))
			metrics.HTTPRequests.Set(float64(s.Runloop.Slots.Count()))
			s.measureRing()
			running, waiting := s.Runloop.Load()
			metrics.RPCQueue.Set(float64(running), "running")
			metrics.RPCQueue.Set(float64(waiting), "waiting")
			s.countEvents()
		}
	}
}

// countEvents exports what happened in sessions since the last time.
func (s *ServiceContext) countEvents() {
	for c := range sess.Counters {
		if n := s.Runloop.Counted(c); n > 0 {
			metrics.Events.Add(float64(n), c.String())
		}
	}
}

// measureRing exports how the node sees the others, and whether they see it.
func (s *ServiceContext) measureRing() {
	metrics.Nodes.Set(float64(len(s.Cluster.Ring().Nodes())))
	overdue := 0.0
	if lease := s.Cluster.Lease; lease != nil && lease.Overdue() {
		overdue = 1
	}
	metrics.LeaseOverdue.Set(overdue)
}

// measureLayers exports what the schema did for clients of other layers since
// the last time.
func (s *ServiceContext) measureLayers(last tl.Stats) tl.Stats {
	now := s.Schema.Stats()
	for what, n := range map[string]uint64{
		"clamped":     now.Clamped - last.Clamped,
		"substituted": now.Substituted - last.Substituted,
		"dropped":     now.Dropped - last.Dropped,
	} {
		if n > 0 {
			metrics.Layers.Add(float64(n), what)
		}
	}
	return now
}

// Drain ends the node's work when no peer can find it any more: answers in
// flight are computed and delivered, open HTTP requests are answered, status is
// told who was online where no other node takes the keys over, and the last
// pushes are taken. It returns by ctx's deadline.
func (s *ServiceContext) Drain(ctx context.Context) {
	began := time.Now()
	online := s.Runloop.Online(0, runloop.Shards) // before keys go
	s.Cluster.LeaveRing()
	moved := s.entries(online, false)
	within := func(d time.Duration, f func(context.Context) error) error {
		bounded, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return f(bounded)
	}
	// Keys go to their new owners with all there is of them. Half of the time is left
	// for those that nobody takes.
	_ = within(s.Config.DrainTime/2, func(ctx context.Context) error {
		s.Cluster.HandOverAll(ctx)
		return nil
	})
	var late int
	if err := within(s.Config.DrainTime, func(ctx context.Context) (err error) {
		late, err = s.Runloop.Drain(ctx)
		return err
	}); err != nil {
		logx.Errorf("drain: %d keys still had calls in flight: %v", late, err)
	}
	s.Runloop.Slots.AnswerAll()
	if err := within(flushTime, s.Gateways.Flush); err != nil {
		logx.Errorf("drain: packets still waited for gateways: %v", err)
	}
	s.Runloop.Offline(ctx)
	if err := within(flushTime, s.Status.Wait); err != nil {
		logx.Errorf("drain: status has not heard of all who went offline: %v", err)
	}
	if s.published() || len(moved) > 0 {
		s.linger(ctx, began)
	}
	// By now the new owners have announced what they know of. An entry that still
	// names this node leads nowhere.
	if err := within(flushTime, func(ctx context.Context) error {
		return cmp.Or(s.Status.Withdraw(ctx, moved), s.Status.Wait(ctx))
	}); err != nil {
		logx.Errorf("drain: status may name this node still: %v", err)
	}
	// Last: a node that hangs takes time from nobody else.
	s.Cluster.SendLast()
	if err := within(flushTime, s.Cluster.Nodes.Wait); err != nil {
		logx.Errorf("drain: requests still waited for other nodes: %v", err)
	}
}

// Close ends everything that Start began. The node must not be called any
// more.
func (s *ServiceContext) Close() {
	s.Cluster.StopMoves()
	if s.gatewaySub != nil {
		s.gatewaySub.Close()
	}
	for _, r := range s.resolvers {
		r.Close()
	}
	if s.Touches != nil {
		s.Touches.Close()
	}
	for _, c := range s.conns { // ends the calls that were not worth waiting for
		_ = c.Close()
	}
	for _, end := range s.ends {
		end()
	}
	if s.stop != nil {
		s.stop()
		s.busy.Wait()
		s.Runloop.Wait()
		s.countEvents() // those since measure's last turn
		s.Keys.Wait()
		s.Gateways.Close()
		s.Cluster.Close()
	}
	s.workers.Close()
}
