package gateway

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/gateway"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// silently starts a gateway in a bubble that reads its stream and answers nothing.
func silently(t *testing.T) (*peer, func(*Options)) {
	p := &peer{}
	return p, inMemory(t, func(s *grpc.Server) { gateway.RegisterRPCGatewayStreamServer(s, silentStreams(p)) })
}

// The queue of a gateway that never answers, or a key's share of it, was full for ever when it
// had filled once: what was written was let go of only when more was.
func TestTheQueueOfASilentGatewayEmpties(t *testing.T) {
	for name, keys := range map[string]int64{"all of it": 1000, "one key's share": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, dial := silently(t)
				g, f := newGateways(t, dial, func(o *Options) { o.QueueItems = 80 })
				n := uint64(0)
				send := func() (taken bool) {
					before := f.count()
					g.Send(int64(n)%keys, packetFor("gateway", 1, n))
					n++
					return f.count() == before
				}
				taken := 0
				for send() {
					taken++
				}
				synctest.Wait()
				require.False(t, send(), "it may answer yet")
				time.Sleep(g.o.AckTimeout + time.Second)
				for range 1000 {
					require.True(t, send())
					taken++
					synctest.Wait()
				}
				stream, _ := p.got()
				require.Equal(t, taken, stream)
			})
		})
	}
}

// What a silent gateway left unanswered was kept until there was more for it.
func TestASilentGatewayKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dial := silently(t)
		g, f := newGateways(t, dial)
		g.Send(1, packetFor("gateway", 1, 0))
		synctest.Wait()
		require.NotZero(t, g.Sweep(time.Now()), "it may answer yet")
		time.Sleep(g.o.AckTimeout + time.Second)
		require.Zero(t, g.Sweep(time.Now()))
		require.Zero(t, g.links["gateway"].unanswered.len())
		time.Sleep(time.Hour)
		require.Empty(t, p.ends, "it keeps its stream")
		g.Send(1, packetFor("gateway", 1, 1))
		synctest.Wait()
		require.Zero(t, g.Sweep(time.Now()), "nobody waits for its answers any more")
		require.Zero(t, f.count())
	})
}

// deaf reads none of its first streams, and answers on those that follow.
type deaf struct {
	streaming
	first   int64
	streams atomic.Int64
}

func (d *deaf) GatewayDataStream(stream gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	if d.streams.Add(1) <= d.first {
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	return d.streaming.GatewayDataStream(stream)
}

// A link whose gateway had never answered, and stopped reading, wrote to the stream for ever.
func TestAStreamThatIsNotReadIsGivenUp(t *testing.T) {
	const packets, size = 100, 16 << 10 // more than gRPC takes unread
	for name, c := range map[string]struct {
		deaf int64 // streams
		lost int
	}{
		"another one is read": {1, 0},
		"none is":             {tooMany, packets},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &peer{}
				d := &deaf{streaming: streaming{p: p}, first: c.deaf}
				g, f := newGateways(t, inMemory(t, func(s *grpc.Server) { gateway.RegisterRPCGatewayStreamServer(s, d) }))
				for n := range uint64(packets) {
					s := packetFor("gateway", 1, n)
					s.Tail = make([]byte, size)
					g.Send(1, s)
					if n == 0 {
						time.Sleep(g.o.AckTimeout / 2)
					}
				}
				for range 10 * g.o.Retry / time.Second {
					time.Sleep(time.Second)
					g.Sweep(time.Now())
				}
				require.Equal(t, c.lost, f.count())
				stream, _ := p.got()
				require.Equal(t, packets-c.lost, stream)
				require.Zero(t, g.Sweep(time.Now()))
			})
		})
	}
}

// slow answers each packet after a second.
type slow struct {
	gateway.UnimplementedRPCGatewayServer
	gateway.UnimplementedRPCGatewayStreamServer
}

func (slow) GatewaySendDataToGateway(context.Context, *gateway.TLGatewaySendDataToGateway) (*mtproto.Bool, error) {
	time.Sleep(time.Second)
	return &mtproto.Bool{PredicateName: "boolTrue"}, nil
}

func (slow) GatewayDataStream(stream gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		if err = stream.Send(&gateway.GatewayStreamResponse{RequestId: in.GetRequestId(), Success: true}); err != nil {
			return err
		}
	}
}

// A gateway that answered steadily, with always something to answer, seemed not to answer at
// all: its UNREAD grew and grew.
func TestUnreadIsTheAgeOfThePacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGateways(t, inMemory(t, func(s *grpc.Server) { gateway.RegisterRPCGatewayStreamServer(s, slow{}) }))
		unread := func() time.Duration {
			synctest.Wait()
			views, _ := g.Views(1)
			return views[0].Unread
		}
		g.Send(1, packetFor("gateway", 1, 0))
		require.NoError(t, g.Flush(t.Context()))
		require.Zero(t, unread())
		g.Send(1, packetFor("gateway", 1, 1))
		const half = 500 * time.Millisecond
		time.Sleep(half)
		require.Equal(t, half, unread())
		for n := range uint64(20) {
			g.Send(1, packetFor("gateway", 1, 2+n)) // it is read when the one before has its answer
			time.Sleep(time.Second)
			require.Equal(t, time.Second, unread())
		}
	})
}

// starved answers nothing for a while, or ends its stream after that. Then it answers a packet a
// second. It has a connection of session 2 alone.
type starved struct {
	gateway.UnimplementedRPCGatewayStreamServer
	until   time.Time
	ends    bool
	streams atomic.Int64
}

func (s *starved) GatewayDataStream(stream gateway.RPCGatewayStream_GatewayDataStreamServer) error {
	first := s.streams.Add(1) == 1
	for {
		in, err := stream.Recv()
		if err != nil {
			return err
		}
		time.Sleep(max(time.Until(s.until), time.Second))
		if first && s.ends {
			return status.Error(codes.Unavailable, "it is begun anew")
		}
		if err = stream.Send(&gateway.GatewayStreamResponse{RequestId: in.GetRequestId(), Success: in.GetSendData().GetSessionId() == 2}); err != nil {
			return err
		}
	}
}

// A gateway that took longer than AckTimeout for its first answers counted as silent, and each
// of its answers afterwards was taken for that to a later packet.
func TestAGatewayThatCountedAsSilentAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		unanswered int64 // packets
		ends       bool
		streams    int64
	}{
		"a packet comes between its answers":    {unanswered: 3, streams: 1},
		"it needs longer for them than allowed": {unanswered: 12, streams: 1},
		"it ends its stream before":             {unanswered: 3, ends: true, streams: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const silence, moment = 7 * time.Second, 500 * time.Millisecond
				s := &starved{until: time.Now().Add(silence), ends: c.ends}
				g, f := newGateways(t, inMemory(t, func(server *grpc.Server) { gateway.RegisterRPCGatewayStreamServer(server, s) }))
				for range c.unanswered {
					g.Send(1, packetFor("gateway", 1, 0))
				}
				time.Sleep(silence - moment)
				require.Zero(t, g.Sweep(time.Now()), "it counts as silent")
				time.Sleep(2 * moment)
				g.Send(2, packetFor("gateway", 2, 0))
				time.Sleep(time.Duration(c.unanswered+1) * time.Second)
				require.Zero(t, f.count(), "session 2 has a connection")
				g.Send(1, packetFor("gateway", 1, 0))
				time.Sleep(time.Second + moment)
				require.Equal(t, 1, f.count(), "session 1 has none")
				require.Equal(t, c.streams, s.streams.Load())
				require.Zero(t, g.Sweep(time.Now()))
			})
		})
	}
}
