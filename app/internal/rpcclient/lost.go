package rpcclient

import (
	"cmp"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

const (
	// lostAfter is how long a peer's host may leave what was sent to it
	// unacknowledged.
	lostAfter = 10 * time.Second
	// pingEvery is the shortest that a peer takes which has gRPC's defaults, as stock
	// peers do (5 minutes): it ends the connections of those that ping more often.
	pingEvery = 6 * time.Minute
)

// NoticeLoss gives up the connection to a host that has vanished without a word (it
// lost its power, or its network), 10 s after something was sent to it. TCP alone
// would hope for a quarter of an hour, in which all calls that are given to the
// connection fail by their deadlines, though there are other nodes to call.
//
// It is the time limit of TCP (TCP_USER_TIMEOUT, on Linux) that does so, which comes
// with gRPC's pings. These come every 6 minutes, or every ping where that is set, for
// the sake of streams on which nothing is sent.
func NoticeLoss(ping time.Duration) grpc.DialOption {
	return grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: cmp.Or(ping, pingEvery), Timeout: lostAfter})
}
