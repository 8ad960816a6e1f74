package testenv

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// SoakTime is how long a test that looks for rare orders of events runs:
// TEST_SOAK (as in make soak-authsession), or usual.
func SoakTime(t testing.TB, usual time.Duration) time.Duration {
	t.Helper()
	value := os.Getenv("TEST_SOAK")
	if value == "" {
		return usual
	}
	d, err := time.ParseDuration(value)
	require.NoError(t, err, "TEST_SOAK")
	return d
}

// History checks what readers on several nodes see of versions that writers
// make: never one older than the newest whose write had ended when the read
// began. Versions count up from 1.
type History struct {
	committed atomic.Int64
	finished  atomic.Int64   // on all nodes
	here      []atomic.Int64 // on the writer's own node

	order      sync.Mutex
	Reads      atomic.Int64
	Writes     atomic.Int64
	Violations atomic.Int64
}

// NewHistory starts with version 1, written.
func NewHistory(nodes int) *History {
	h := &History{here: make([]atomic.Int64, nodes)}
	h.committed.Store(1)
	h.finished.Store(1)
	return h
}

// Committed is the newest version.
func (h *History) Committed() int64 { return h.committed.Load() }

// Commit makes the next version: change stores it.
func (h *History) Commit(change func(version int64)) (version int64) {
	h.order.Lock()
	defer h.order.Unlock()
	version = h.committed.Load() + 1
	if change != nil {
		change(version)
	}
	h.committed.Store(version)
	h.Writes.Add(1)
	return version
}

// FinishedHere notes that the write of version has ended for readers of node.
func (h *History) FinishedHere(node int, version int64) { raise(&h.here[node], version) }

// Finished notes that the write of version has ended for all readers.
func (h *History) Finished(version int64) { raise(&h.finished, version) }

func raise(at *atomic.Int64, to int64) {
	for old := at.Load(); old < to && !at.CompareAndSwap(old, to); old = at.Load() {
	}
}

// Read checks one read on node.
func (h *History) Read(node int, read func() (version int64)) {
	atLeast := max(h.finished.Load(), h.here[node].Load())
	if read() < atLeast {
		h.Violations.Add(1)
	}
	h.Reads.Add(1)
}
