package unary

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/internal/buffers"
	"github.com/tgsession/tgsession/app/internal/freeport"
	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/app/internal/rpcclient"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const method = "/any.Service/any_method"

// handler answers a call of any method.
type handler func(ctx context.Context, in passthrough.Frame) (passthrough.Frame, error)

func echo(_ context.Context, in passthrough.Frame) (passthrough.Frame, error) { return in, nil }

func serveAt(t *testing.T, l net.Listener, h handler) (s *grpc.Server, addr string) {
	t.Helper()
	s = grpc.NewServer(grpc.ForceServerCodecV2(passthrough.Codec), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var in passthrough.Frame
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		out, err := h(stream.Context(), in)
		if err != nil {
			return err
		}
		return stream.SendMsg(out)
	}))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return s, l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", freeport.Address(t)) // some tests listen there again: it must not be another's connection by then
	require.NoError(t, err)
	return l
}

// connect makes a client of addr, and waits until it makes calls itself.
func connect(t *testing.T, addr string, opts ...grpc.DialOption) (*grpc.ClientConn, *Client) {
	t.Helper()
	return connectBy(t, New(), addr, opts...)
}

func connectBy(t *testing.T, c *Client, addr string, opts ...grpc.DialOption) (*grpc.ClientConn, *Client) {
	t.Helper()
	opts = append(append(opts, grpc.WithTransportCredentials(insecure.NewCredentials())), c.Options()...)
	conn, err := grpc.NewClient(addr, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		c.Close()
	})
	conn.Connect()
	if c.addr != "" {
		_, _ = invoke(t.Context(), conn, "", grpc.WaitForReady(true)) // with which it begins
	}
	until(t, c, true)
	return conn, c
}

// A client of one address knows by gRPC's state when it has a connection.
func TestOneAddress(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	s, _ := serveAt(t, l, echo)
	conn, c := connectBy(t, To(addr), addr, rpcclient.Reconnect())
	out, err := invoke(t.Context(), conn, "x")
	require.NoError(t, err)
	require.Equal(t, "x", out)
	require.Equal(t, 1, made(c))
	s.Stop()
	until(t, c, false)
	require.Eventually(t, func() bool {
		again, err := net.Listen("tcp", addr)
		if err == nil {
			serveAt(t, again, echo)
		}
		return err == nil
	}, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool { // gRPC may see later than we do that its connection is lost
		_, err = invoke(t.Context(), conn, "x", grpc.WaitForReady(true))
		return err == nil
	}, time.Minute, time.Millisecond)
	until(t, c, true)
	require.NoError(t, conn.Close())
	until(t, c, false)
}

// until waits until the client makes calls itself, or does not.
func until(t *testing.T, c *Client, itself bool) {
	t.Helper()
	require.Eventually(t, func() bool { return c.lone.Load() != nil == itself }, time.Minute, time.Millisecond)
}

// made is how many calls the client has made itself, on its connection.
func made(c *Client) int {
	own := c.lone.Load()
	if own == nil {
		return 0
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	return int(own.next / 2)
}

func invoke(ctx context.Context, conn *grpc.ClientConn, in string, opts ...grpc.CallOption) (string, error) {
	var out passthrough.Frame
	err := conn.Invoke(ctx, method, passthrough.Frame(in), &out, append(opts, grpc.ForceCodecV2(passthrough.Codec))...)
	return string(out), err
}

func TestCalls(t *testing.T) {
	_, addr := serveAt(t, listen(t), echo)
	conn, c := connect(t, addr)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 100 {
				in := strings.Repeat(string(rune('a'+i)), k*7)
				if out, err := invoke(t.Context(), conn, in); err != nil || out != in {
					t.Errorf("%d bytes for %d: %v", len(out), len(in), err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1600, made(c))
}

func TestLongRequestsAreLeftToGRPC(t *testing.T) {
	_, addr := serveAt(t, listen(t), echo)
	conn, c := connect(t, addr)
	for _, size := range []int{longestRequest, longestRequest + 1, 1 << 20} {
		in := strings.Repeat("x", size)
		out, err := invoke(t.Context(), conn, in)
		require.NoError(t, err)
		require.Equal(t, in, out)
	}
	require.Equal(t, 1, made(c))
}

// More than all windows hold, in replies that are longer than theirs.
func TestLongReplies(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 3<<20/16)
	_, addr := serveAt(t, listen(t), func(context.Context, passthrough.Frame) (passthrough.Frame, error) {
		return passthrough.Frame(long), nil
	})
	conn, c := connect(t, addr)
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if out, err := invoke(t.Context(), conn, ""); err != nil || out != long {
				t.Errorf("%d bytes: %v", len(out), err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 12, made(c))
	plain, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer plain.Close()
	_, theirs := invoke(t.Context(), plain, "", grpc.MaxCallRecvMsgSize(1<<20))
	_, err = invoke(t.Context(), conn, "", grpc.MaxCallRecvMsgSize(1<<20))
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Equal(t, theirs, err, "package dispatch knows it by its text")
	require.Equal(t, 13, made(c))
	out, err := invoke(t.Context(), conn, "")
	require.NoError(t, err)
	require.Len(t, out, len(long))
}

// What ends a call in an error is what gRPC's own client says of it.
// A large reply that is freed leaves its room to the next ones, and one that is not freed
// is nobody else's.
func TestRepliesShareNothing(t *testing.T) {
	_, addr := serveAt(t, listen(t), func(_ context.Context, in passthrough.Frame) (passthrough.Frame, error) {
		return bytes.Repeat(in, 2*buffers.Smallest), nil
	})
	conn, _ := connect(t, addr)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var last passthrough.Reply
			for n := range 40 {
				ask := []byte{byte(8*n + i)}
				want := bytes.Repeat(ask, 2*buffers.Smallest)
				if last.Room() != nil && n%3 != 0 {
					last.Room().Free()
				}
				last = passthrough.Reply{}
				if err := conn.Invoke(t.Context(), method, passthrough.Frame(ask), &last, grpc.ForceCodecV2(passthrough.Codec)); err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
				if !bytes.Equal(want, last.Bytes()) {
					t.Error("a reply of another call")
				}
			}
		})
	}
	wg.Wait()
}

func TestStatusesAreGRPCs(t *testing.T) {
	withDetails, err := status.New(codes.FailedPrecondition, "with details").WithDetails(&grpc_health_v1.HealthCheckRequest{Service: "x"})
	require.NoError(t, err)
	for name, want := range map[string]error{
		"plain":        status.Error(codes.NotFound, "nothing there"),
		"stock's":      status.Error(401, "AUTH_KEY_UNREGISTERED"),
		"redirect":     status.Error(700, "REDIRECT_TO_10.0.0.1:20120"),
		"no text":      status.Error(codes.Aborted, ""),
		"odd text":     status.Error(codes.Internal, "100 % sure: ÄÖ\n%41 \x00"),
		"with details": withDetails.Err(),
		"no status":    errors.New("plain error"),
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := serveAt(t, listen(t), func(context.Context, passthrough.Frame) (passthrough.Frame, error) { return nil, want })
			conn, c := connect(t, addr)
			plain, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)
			defer plain.Close()
			_, theirs := invoke(t.Context(), plain, "")
			_, ours := invoke(t.Context(), conn, "")
			require.Error(t, ours)
			require.True(t, proto.Equal(status.Convert(theirs).Proto(), status.Convert(ours).Proto()), "%v, gRPC: %v", ours, theirs)
			require.Equal(t, 1, made(c))
		})
	}
}

func TestUnknownMethod(t *testing.T) {
	l := listen(t)
	s := grpc.NewServer()
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	conn, _ := connect(t, l.Addr().String())
	_, err := invoke(t.Context(), conn, "")
	require.Equal(t, codes.Unimplemented, status.Code(err), "%v", err)
}

func TestHeadersAndDeadlines(t *testing.T) {
	_, addr := serveAt(t, listen(t), func(ctx context.Context, _ passthrough.Frame) (passthrough.Frame, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		deadline, limited := ctx.Deadline()
		left := time.Duration(0)
		if limited {
			left = time.Until(deadline).Round(time.Hour)
		}
		return passthrough.Frame(strings.Join(append(md.Get("who"), left.String()), " ")), nil
	})
	conn, c := connect(t, addr)
	ask := func(ctx context.Context) string {
		out, err := invoke(ctx, conn, "")
		require.NoError(t, err)
		return out
	}
	require.Equal(t, "0s", ask(t.Context()))
	long := strings.Repeat("x", 300)
	for name, want := range map[string]struct {
		header, value string
		timeout       time.Duration
		out           string
	}{
		"a header":       {"who", "me", time.Hour, "me 1h0m0s"},
		"a long one":     {"who", long, 3 * time.Hour, long + " 3h0m0s"},
		"an empty one":   {"who", "", 2 * time.Hour, " 2h0m0s"},
		"none":           {"", "", time.Hour, "1h0m0s"},
		"a long time":    {"who", "me", 50 * time.Hour, "me 50h0m0s"},
		"a very long on": {"who", "me", 20000 * time.Hour, "me 20000h0m0s"},
	} {
		headers := rpcclient.NewCalls(want.header)
		k := headers.Begin(want.timeout, want.value)
		require.Equal(t, want.out, ask(k.Context()), name)
		headers.End(k)
	}
	require.Equal(t, 7, made(c))
	// Others are gRPC's.
	require.Equal(t, "you 0s", ask(metadata.AppendToOutgoingContext(t.Context(), "who", "you")))
	headers := rpcclient.NewCalls("who")
	k := headers.Begin(time.Hour, "me")
	require.Equal(t, "me you 1h0m0s", ask(metadata.AppendToOutgoingContext(k.Context(), "who", "you")))
	headers.End(k)
	require.Equal(t, 7, made(c))
}

// A call that is late or given up ends at once, for its peer, too.
func TestLateAndCancelledCalls(t *testing.T) {
	ended := make(chan error, 2)
	entered := make(chan struct{}, 2)
	_, addr := serveAt(t, listen(t), func(ctx context.Context, in passthrough.Frame) (passthrough.Frame, error) {
		if string(in) == "quick" {
			return in, nil
		}
		entered <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	conn, c := connect(t, addr)
	headers := rpcclient.NewCalls("who")
	k := headers.Begin(2*time.Second, "me") // the call has to reach its peer before it is late
	_, err := invoke(k.Context(), conn, "")
	require.Equal(t, codes.DeadlineExceeded, status.Code(rpcclient.Late(k.Context(), err)), "%v", err)
	headers.End(k)
	require.Error(t, <-ended)
	<-entered

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	_, err = invoke(ctx, conn, "")
	require.Equal(t, codes.Canceled, status.Code(err))
	require.Error(t, <-ended)
	_, err = invoke(ctx, conn, "") // it is over before it begins
	require.Equal(t, codes.Canceled, status.Code(err))

	out, err := invoke(t.Context(), conn, "quick")
	require.NoError(t, err)
	require.Equal(t, "quick", out)
	require.Equal(t, 3, made(c))
}

// A peer that goes in good order loses no call, and one that comes back is found again.
func TestThePeerIsReplaced(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	s, _ := serveAt(t, l, func(_ context.Context, in passthrough.Frame) (passthrough.Frame, error) {
		if string(in) == "slow" {
			entered <- struct{}{}
			<-hold
		}
		return in, nil
	})
	conn, c := connect(t, addr, rpcclient.Reconnect())
	slow := make(chan error, 1)
	go func() {
		_, err := invoke(t.Context(), conn, "slow")
		slow <- err
	}()
	<-entered
	stopped := make(chan struct{})
	go func() {
		s.GracefulStop()
		close(stopped)
	}()
	until(t, c, false)
	close(hold)
	require.NoError(t, <-slow)
	<-stopped
	require.Eventually(t, func() bool {
		again, err := net.Listen("tcp", addr)
		if err == nil {
			serveAt(t, again, echo)
		}
		return err == nil
	}, time.Minute, time.Millisecond)
	_, err := invoke(t.Context(), conn, "x", grpc.WaitForReady(true))
	require.NoError(t, err)
	until(t, c, true)
	_, err = invoke(t.Context(), conn, "x")
	require.NoError(t, err)
	require.Equal(t, 1, made(c))
}

// Who has several peers to choose from has gRPC choose.
func TestSeveralAddresses(t *testing.T) {
	_, a := serveAt(t, listen(t), echo)
	_, b := serveAt(t, listen(t), echo)
	r := manual.NewBuilderWithScheme("several")
	r.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: a}}})
	conn, c := connect(t, "several:///x", grpc.WithResolvers(r), grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	r.UpdateState(resolver.State{Addresses: []resolver.Address{{Addr: a}, {Addr: b}}})
	until(t, c, false)
	_, err := invoke(t.Context(), conn, "x")
	require.NoError(t, err)
	r.UpdateState(resolver.State{Addresses: []resolver.Address{{Addr: b}}})
	until(t, c, true)
	require.Equal(t, b, c.lone.Load().addr)
	out, err := invoke(t.Context(), conn, "y")
	require.NoError(t, err)
	require.Equal(t, "y", out)
}

func TestCloseEndsCalls(t *testing.T) {
	entered := make(chan struct{})
	_, addr := serveAt(t, listen(t), func(ctx context.Context, _ passthrough.Frame) (passthrough.Frame, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	conn, c := connect(t, addr)
	ended := make(chan error, 1)
	go func() {
		_, err := invoke(t.Context(), conn, "")
		ended <- err
	}()
	<-entered
	require.NoError(t, conn.Close())
	c.Close()
	require.Equal(t, codes.Unavailable, status.Code(<-ended))
}

// What a connection loses that gRPC's own has not, is made anew.
func TestALostConnectionIsMadeAnew(t *testing.T) {
	_, addr := serveAt(t, listen(t), echo)
	conn, c := connect(t, addr)
	c.lone.Load().close()
	until(t, c, false)
	out, err := invoke(t.Context(), conn, "by gRPC")
	require.NoError(t, err)
	require.Equal(t, "by gRPC", out)
	until(t, c, true)
	_, err = invoke(t.Context(), conn, "x")
	require.NoError(t, err)
	require.Equal(t, 1, made(c))
}
