package ctl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/conf"
	pb "github.com/tgsession/tgsession/proto/admin"
)

const (
	tokenVariable   = "AUTHSESSION_TOKEN"
	addressVariable = "AUTHSESSION_ADMIN"
	defaultAddress  = "127.0.0.1:20452"
)

// request is a command with its flags, and the connection it needs.
type request struct {
	*invocation
	*flag.FlagSet
	args []string // not parsed yet
	help func()

	address, tokenFile, ca, cert, key string
	encrypt, plain                    bool
	timeout                           time.Duration
	wait                              time.Duration // that is left, for a node that is asked too often
	output                            string
	idempotency                       string // key of the user's choice; empty: none
	calls                             int    // that have been made

	conn *grpc.ClientConn
}

func newRequest(v *invocation, c command, args []string) *request {
	r := &request{invocation: v, FlagSet: flag.NewFlagSet(c.name, flag.ContinueOnError), args: args}
	r.SetOutput(v.stderr)
	r.Usage = func() {} // not for mistakes
	r.help = func() {
		r.SetOutput(v.stdout)
		fmt.Fprintf(v.stdout, "Usage: authsession ctl %s [flags] %s\n\nTo %s.\n\n", c.name, c.args, c.about)
		r.PrintDefaults()
	}
	return r
}

// remote defines the flags of commands that ask a node.
func (r *request) remote() {
	address := defaultAddress
	if a := r.getenv(addressVariable); a != "" {
		address = a
	}
	r.StringVar(&r.address, "addr", address, "`host:port` of the node's Admin.ListenOn")
	r.StringVar(&r.tokenFile, "token-file", "", "`file` with a bearer token; the variable "+tokenVariable+" without it")
	r.StringVar(&r.ca, "ca", "", "PEM `file` with who signed the node's certificate; implies --tls")
	r.StringVar(&r.cert, "cert", "", "PEM `file` with a client certificate; implies --tls")
	r.StringVar(&r.key, "key", "", "PEM `file` with its key")
	r.BoolVar(&r.encrypt, "tls", false, "encrypt; the system knows who signed the node's certificate")
	r.BoolVar(&r.plain, "plain", false, "send the token unencrypted to another host")
	r.DurationVar(&r.timeout, "timeout", 15*time.Second, "for the answer to a call")
	r.DurationVar(&r.wait, "wait", 2*time.Minute, "in all, where the node says that there are too many calls")
	r.StringVar(&r.output, "o", "table", "`table` or json")
}

// parse reads the arguments: flags and others in any order, and only others
// after "--". A negative number is no flag.
func (r *request) parse() (others []string, err error) {
	for rest := r.args; len(rest) > 0; {
		n := r.flags(rest)
		if err := r.Parse(rest[:n]); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				r.help()
				return nil, err
			}
			return nil, misuse("%s", "wrong flags") // flag has said which
		}
		if rest = rest[n:]; len(rest) > 0 && rest[0] == "--" {
			others = append(others, rest[1:]...)
			break
		}
		if len(rest) > 0 {
			others, rest = append(others, rest[0]), rest[1:]
		}
	}
	if r.output != "" && r.output != "table" && r.output != "json" {
		return nil, misuse("-o must be table or json")
	}
	return others, nil
}

// flags counts the arguments at the beginning that are flags and their values.
func (r *request) flags(args []string) (n int) {
	for n < len(args) {
		name, isFlag := strings.CutPrefix(args[n], "-")
		if _, err := strconv.ParseInt(args[n], 10, 64); err == nil || !isFlag || name == "" || name == "-" {
			return n
		}
		n++
		f := r.Lookup(strings.TrimPrefix(name, "-"))
		if f == nil { // unknown, or with its value
			continue
		}
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); !ok || !b.IsBoolFlag() {
			n = min(n+1, len(args))
		}
	}
	return n
}

// nothing parses the arguments of a command that takes flags alone.
func (r *request) nothing() error {
	others, err := r.parse()
	if err == nil && len(others) > 0 {
		err = misuse("unexpected argument %q", others[0])
	}
	return err
}

func number(what, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, misuse("%s %q is no number", what, text)
	}
	return n, nil
}

// connect returns the client and a context that carries the token. A
// connection is made when the first call needs it.
func (r *request) connect(ctx context.Context) (context.Context, pb.SessionAdminClient, error) {
	transport, err := r.credentials()
	if err != nil {
		return nil, nil, err
	}
	token, err := r.token()
	if err != nil {
		return nil, nil, err
	}
	if token != "" {
		if transport == nil && !r.plain && !loopback(r.address) {
			return nil, nil, misuse("the token would travel unencrypted to %s: use --tls or --ca, or --plain if something else encrypts", r.address)
		}
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if transport == nil {
		transport = insecure.NewCredentials()
	}
	r.conn, err = grpc.NewClient(r.address, grpc.WithTransportCredentials(transport), grpc.WithUnaryInterceptor(r.bounded))
	if err != nil {
		return nil, nil, misuse("--addr: %v", err)
	}
	return ctx, pb.NewSessionAdminClient(r.conn), nil
}

// bounded gives a call its time, and repeats one that the node has not looked at
// since there were too many, when the node says that it will.
func (r *request) bounded(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	ctx = r.numbered(ctx)
	for {
		err := r.once(ctx, method, in, out, conn, invoke, o...)
		pause, again := retryAfter(err)
		if !again || pause > r.wait {
			return err
		}
		r.wait -= pause
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func (r *request) once(ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return invoke(ctx, method, in, out, conn, o...)
}

// retryAfter is when a call that came too often may be made again.
func retryAfter(err error) (pause time.Duration, again bool) {
	if status.Code(err) != codes.ResourceExhausted {
		return 0, false
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

func (r *request) close() {
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

func (r *request) token() (string, error) {
	if r.tokenFile == "" {
		return strings.TrimSpace(r.getenv(tokenVariable)), nil
	}
	text, err := conf.ReadSecret(r.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// credentials are nil when nothing asks for TLS.
func (r *request) credentials() (credentials.TransportCredentials, error) {
	if !r.encrypt && r.ca == "" && r.cert == "" && r.key == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.ca != "" {
		text, err := conf.ReadFile(r.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca: %s holds no certificate", r.ca)
		}
	}
	if r.cert != "" || r.key != "" {
		pair, err := conf.ReadKeyPair(r.cert, r.key)
		if err != nil {
			return nil, fmt.Errorf("--cert and --key: %w", err)
		}
		// Whatever authorities the node names: it says itself what it thinks of it.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return credentials.NewTLS(c), nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
