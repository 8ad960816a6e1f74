package allow

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
)

// Live is a List that can be replaced while calls come. The zero value lets all in.
// Its methods may be called from any goroutine.
type Live struct{ list atomic.Pointer[List] }

// Set replaces the list. Streams that are open are asked again with their next message.
func (l *Live) Set(list List) { l.list.Store(&list) }

func (l *Live) get() (*List, List) {
	if p := l.list.Load(); p != nil {
		return p, *p
	}
	return nil, nil
}

// Intercept is List's, by the list as it is now.
func (l *Live) Intercept(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	_, list := l.get()
	return list.Intercept(ctx, in, info, handler)
}

// InterceptStream is List's, by the list as it is with each message: a stream may live
// for months, and who is taken off the list has nothing more to say on it.
func (l *Live) InterceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	at, list := l.get()
	if err := list.check(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return handler(srv, &checked{ServerStream: stream, live: l, by: at, method: info.FullMethod})
}

// checked is a stream whose peer is checked again when the list is another one.
type checked struct {
	grpc.ServerStream
	live   *Live
	by     *List // that the peer was let in by; only RecvMsg uses it, which has one caller at a time
	method string
}

func (s *checked) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if at, list := s.live.get(); at != s.by {
		if err := list.check(s.Context(), s.method); err != nil {
			return err
		}
		s.by = at
	}
	return nil
}
