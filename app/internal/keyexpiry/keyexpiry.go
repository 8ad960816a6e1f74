// Package keyexpiry tells session when a temp key ends: authsession's answers
// about the key carry it beside the stock message, which has no room for it. A
// session that remembers a binding then ends it in time; without, it would
// serve the key until it asked again.
package keyexpiry

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// trailer is the name in the gRPC trailer: decimal Unix seconds.
const trailer = "auth-key-expires-at"

// Set puts the end of a key (Unix seconds; 0: it does not end) into the trailer
// of the gRPC call that ctx belongs to. Outside of one it does nothing.
func Set(ctx context.Context, end int64) {
	if end != 0 {
		_ = grpc.SetTrailer(ctx, metadata.Pairs(trailer, strconv.FormatInt(end, 10)))
	}
}

// Read returns the end of a key (Unix seconds) from the trailer of an answer;
// 0: it does not end, or a stock authsession has answered, which does not say.
func Read(md metadata.MD) int64 {
	values := md.Get(trailer)
	if len(values) == 0 {
		return 0
	}
	end, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || end < 0 {
		return 0
	}
	return end
}
