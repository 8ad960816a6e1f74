// Package tracing makes the spans that go-zero's interceptors cannot: what goes on between
// the call that brings a packet and those that follow from it, in goroutines of their own.
// All of a packet is one trace:
//
//	gateway's call ─ session_sendDataToSession ─┬─ users.getUsers ─ the BFF's
//	                                            └─ answer ─ the gateway's
//
// A packet that comes over a stream begins a trace of its own, with a link to the stream,
// which lasts for days.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const scope = "tgsession/session"

// Names of spans; that of a call is its method.
const (
	StreamPacket = "session.RPCSessionStream/send_data"
	Answer       = "answer"
)

// Of returns where a request stands in a trace; nil: in none.
func Of(ctx context.Context) *trace.SpanContext {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() {
		return nil
	}
	return &at
}

// Packet begins the trace of a packet that came over a stream. end is called with its
// outcome.
func Packet(stream context.Context) (at *trace.SpanContext, end func(error)) {
	ctx, span := otel.Tracer(scope).Start(stream, StreamPacket, trace.WithNewRoot(), trace.WithLinks(trace.LinkFromContext(stream)), trace.WithSpanKind(trace.SpanKindServer))
	return Of(ctx), func(err error) { End(span, err) }
}

// Call begins the span of an API call, in ctx with which its BFF is called.
func Call(ctx context.Context, at *trace.SpanContext, method, group string) (context.Context, trace.Span) {
	return otel.Tracer(scope).Start(trace.ContextWithSpanContext(ctx, *at), method, trace.WithAttributes(attribute.String("mtproto.group", group)))
}

// Answered begins the span of an answer on its way to its gateway.
func Answered(at *trace.SpanContext, gateway string) trace.Span {
	_, span := otel.Tracer(scope).Start(trace.ContextWithSpanContext(context.Background(), *at), Answer,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attribute.String("gateway", gateway)))
	return span
}

// End ends a span, which may be nil, with the outcome.
func End(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
