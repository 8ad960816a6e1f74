package floor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/session"
)

// Config is what the process is told, in a file of JSON.
type Config struct {
	ListenOn string // host:port for gateways and sync
	Debug    string // host:port of /metrics and /debug/pprof, as go-zero's DevServer has them
	BFF      string // host:port

	// Calls says that each packet is an API call of Method (a gRPC path). Without,
	// packets are taken and nothing comes of them.
	Calls  bool
	Method string
	// Caller is an encoded metadata.RpcMetadata: what session's calls have in
	// theirs, but for the ids and the time, which each call has of its own.
	Caller []byte

	// Sizes, in bytes: of the request that the BFF gets, and of the packets that
	// bring an answer and a push to the gateway.
	RequestBytes, AnswerBytes, PushBytes int

	UnaryGateway bool // packets go out by unary calls, not through a stream
}

// Serve is the life of the process; SIGTERM ends it.
func Serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	var c Config
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("floor: %s: %w", file, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return c.serve(ctx)
}

func (c *Config) serve(ctx context.Context) error {
	bff, err := dial(c.BFF)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	defer bff.Close()
	var caller metadata.RpcMetadata
	if err := proto.Unmarshal(c.Caller, &caller); err != nil {
		return fmt.Errorf("floor: Caller: %w", err)
	}
	n := &node{
		caller: &caller,
		Config: *c, bff: bff, gateways: &gateways{unary: c.UnaryGateway, links: map[string]*link{}}, homes: map[int64]home{},
		request: make([]byte, c.RequestBytes), answer: make([]byte, c.AnswerBytes), update: make([]byte, c.PushBytes),
	}
	listener, err := net.Listen("tcp", c.ListenOn)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	g := grpc.NewServer()
	session.RegisterRPCSessionServer(g, n)
	session.RegisterRPCSessionStreamServer(g, n)
	grpc_health_v1.RegisterHealthServer(g, health.NewServer())
	debug := &http.Server{Addr: c.Debug, Handler: debugHandler()} // at a loopback address, for the bench alone
	failed := make(chan error, 2)
	go func() { failed <- g.Serve(listener) }()
	go func() { failed <- debug.ListenAndServe() }()
	defer g.Stop()
	defer func() { _ = debug.Close() }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("floor: %w", err)
	}
}

func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	return mux
}
