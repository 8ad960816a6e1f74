package sess

import "go.opentelemetry.io/otel/trace"

// Trace is where a packet, a call or an answer stands in a trace: a value that the
// machine hands on, and looks into never.
type Trace = trace.SpanContext

// firstTrace is the trace of the first of the messages that has one; nil: none has. From
// then on none of them has any: what is sent again is no part of the call.
func firstTrace(messages []*outMsg) (first *Trace) {
	for _, m := range messages {
		if first == nil {
			first = m.trace
		}
		m.trace = nil
	}
	return first
}
