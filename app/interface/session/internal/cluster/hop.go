package cluster

import (
	"context"
	"slices"

	"google.golang.org/grpc/metadata"
)

// forwardedHeader marks a request that another session node sent here: it is
// not sent on. Only a push whose key is not here may be, once more (Parking).
const (
	forwardedHeader = "x-session-forwarded"
	forwarded       = "1"
	strayed         = "2" // by a node that kept it, or did not have its key either
)

// Forwarded marks the requests made with the returned context.
func Forwarded(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(forwardedHeader, forwarded))
}

// Strayed is Forwarded for what is not to be sent on in any case.
func Strayed(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, metadata.Pairs(forwardedHeader, strayed))
}

// introducedHeader marks a createSession by the node that had the key until now:
// updates go to that session.
const introducedHeader = "x-session-introduced"

// Introducing marks a createSession made with the returned context, beside what
// ctx says already.
func Introducing(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, introducedHeader, "1")
}

// WasIntroduced reports whether a session is one that another node had.
func WasIntroduced(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, introducedHeader)) > 0
}

// WasForwarded reports whether a request came from another session node.
func WasForwarded(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, forwardedHeader)) > 0
}

// WasStrayed reports whether a request that came from another session node is
// not to be sent on in any case.
func WasStrayed(ctx context.Context) bool {
	return slices.Contains(metadata.ValueFromIncomingContext(ctx, forwardedHeader), strayed)
}
