package runloop

import (
	"sync"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
)

// faultEvery is how often one kind of fault is written of one method, in
// milliseconds. A client can bring most faults about as often as it calls, and a
// line for each fills the log.
const faultEvery = 1000

// faultLog writes faults. How many were left out is in the next line. The zero value
// is ready.
type faultLog struct {
	lines sync.Map // by faultKind, which there are as many of as methods for each what, at most
}

type faultKind struct{ what, method string }

// line is what writes faults of a kind.
func (l *faultLog) line(what, method string) *logx.LessLogger {
	kind := faultKind{what, method}
	line, known := l.lines.Load(kind)
	if !known {
		line, _ = l.lines.LoadOrStore(kind, logx.NewLessLogger(faultEvery))
	}
	return line.(*logx.LessLogger)
}

// write writes a fault of a key.
func (l *faultLog) write(key int64, f sess.Fault) {
	method := "-"
	if f.Method != nil {
		method = f.Method.Name
	}
	l.line(f.What, method).Errorf("auth key %d: %s (method %s): %v", key, f.What, method, f.Err)
}
