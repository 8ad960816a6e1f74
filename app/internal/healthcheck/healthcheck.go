// Package healthcheck is `PROGRAM healthcheck`, for who starts processes and can run a
// command beside them: Docker's HEALTHCHECK, in an image that has no shell.
package healthcheck

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/zrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/rpcserver"
)

// Exit codes. Docker knows 0 and 1 alone.
const (
	exitWell = iota
	exitIll
	exitUsage
)

const help = `Usage: %[1]s healthcheck [flags]

Asks the %[1]s that runs on this host by the same configuration whether it is ready, and
prints what it says: a line a check where the configuration has a DevServer, else one word
of its health service.
Exit code: 0 it is, 1 it is not or does not answer, 2 wrong usage.

`

// Server is what the configuration says of the server.
type Server struct {
	Conf       zrpc.RpcServerConf
	App, Token string // that go-zero's Auth takes, where the file names some
}

// Command is the command with the arguments args. load reads the configuration file.
func Command(program string, args []string, stdout, stderr io.Writer, load func(file string) (Server, error)) int {
	flags := flag.NewFlagSet("healthcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("f", "etc/"+program+".yaml", "configuration `file`")
	live := flags.Bool("live", false, "ask only whether it lives: for who ends processes that are not healthy (Docker Swarm)")
	wait := flags.Duration("timeout", 3*time.Second, "how long to wait for the answer")
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), help, program)
		flags.PrintDefaults()
	}
	if slices.ContainsFunc(args, func(a string) bool { return slices.Contains([]string{"help", "-h", "-help", "--help"}, a) }) {
		flags.SetOutput(stdout)
		flags.Usage()
		return exitWell
	}
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "%s healthcheck: unexpected argument %q; see %s healthcheck --help\n", program, flags.Arg(0), program)
		return exitUsage
	}
	logx.SetWriter(logx.NewWriter(io.Discard)) // the libraries': the outcome is all that is wanted
	server, err := load(*file)
	if err != nil {
		fmt.Fprintf(stderr, "%s healthcheck: %v\n", program, err)
		return exitUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), *wait)
	defer cancel()
	text, err := server.ask(ctx, *live)
	if text != "" {
		fmt.Fprintln(stdout, strings.TrimRight(text, "\n"))
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s healthcheck: %v\n", program, err)
		return exitIll
	}
	return exitWell
}

// ask asks the DevServer, which says more, and where there is none gRPC's health service.
func (s *Server) ask(ctx context.Context, live bool) (text string, err error) {
	if s.Conf.DevServer.Enabled && s.Conf.DevServer.Port != 0 {
		text, answered, err := s.askDev(ctx, live)
		if answered {
			return text, err
		}
	}
	return s.askRPC(ctx, live)
}

var errIll = errors.New("it is not ready")

// askDev asks the DevServer; not answered: there is none, or its port belongs to another.
func (s *Server) askDev(ctx context.Context, live bool) (text string, answered bool, err error) {
	path := "/readyz"
	if live {
		path = s.Conf.DevServer.HealthPath
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+rpcserver.Local(rpcserver.DevAddress(s.Conf.DevServer))+path, nil)
	if err != nil {
		return "", false, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", false, err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	switch response.StatusCode {
	case http.StatusOK:
		return string(body), true, nil
	case http.StatusServiceUnavailable:
		return string(body), true, errIll
	}
	return "", false, nil
}

func (s *Server) askRPC(ctx context.Context, live bool) (string, error) {
	address := rpcserver.Local(s.Conf.ListenOn)
	if !s.Conf.Health {
		return "", errors.New("nobody can be asked: Health is false in the configuration, and there is no DevServer")
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	service := rpcserver.Readiness
	if live {
		service = rpcserver.Liveness
	}
	if s.App != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "app", s.App, "token", s.Token)
	}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	switch {
	case status.Code(err) == codes.Unauthenticated && live:
		return "answers, and asks for credentials", nil
	case status.Code(err) == codes.Unauthenticated:
		return "", fmt.Errorf("%s asks for credentials (Auth): give the configuration a DevServer, which does not", address)
	case status.Code(err) == codes.NotFound:
		return "", fmt.Errorf("%s is a server of another kind or release: it knows no %s", address, service)
	case err != nil:
		return "", fmt.Errorf("%s does not answer: %s", address, status.Convert(err).Message())
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return service + ": " + answer.GetStatus().String(), errIll
	}
	return service + ": " + answer.GetStatus().String(), nil
}
