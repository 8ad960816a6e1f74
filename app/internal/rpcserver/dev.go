package rpcserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/prometheus"
	"github.com/zeromicro/go-zero/core/service"
)

// devServer is what go-zero's DevServer is, at the same keys of the configuration, and
// what that cannot be:
//
//   - It listens on loopback where the configuration names no host. go-zero's listens on
//     all addresses, with profiles, and asks nobody who he is.
//   - HealthPath says that the process lives, /readyz that the server is ready, and if not,
//     why. go-zero's HealthPath says neither: it is well from the start to the exit.
//   - It has pages of the service.
//   - It ends with its server; several may live in a process.
type devServer struct {
	http *http.Server
	busy sync.WaitGroup
}

const (
	devHeaderTime = 5 * time.Second
	devHeaders    = 16 << 10
	devIdle       = time.Minute
	loopback      = "127.0.0.1"

	readyPath = "/readyz"
)

// DevAddress is where the DevServer of a configuration listens; empty: nowhere.
func DevAddress(c service.DevServerConfig) string {
	if !c.Enabled || c.Port == 0 {
		return ""
	}
	return net.JoinHostPort(strings.Trim(cmp.Or(c.Host, loopback), "[]"), strconv.Itoa(c.Port))
}

// startDev serves the DevServer of a configuration. An address that cannot be had is in
// the log, and no more: an operator's page is no reason not to serve. nil: there is none.
func startDev(c service.DevServerConfig, r *readiness, pages map[string]http.Handler) *devServer {
	address := DevAddress(c)
	if address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		logx.Errorf("DevServer: %s cannot be served: %v", address, err)
		return nil
	}
	if c.Host == "" {
		logx.Infof("DevServer listens on %s, for this host alone; name a Host for others", address)
	} else {
		logx.Infof("DevServer listens on %s", address)
	}
	d := &devServer{http: &http.Server{
		Handler: devRoutes(c, r, pages), ReadHeaderTimeout: devHeaderTime, MaxHeaderBytes: devHeaders, IdleTimeout: devIdle,
	}}
	d.busy.Go(func() {
		if err := d.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logx.Errorf("DevServer: %v", err)
		}
	})
	return d
}

// close ends it with all that it serves: nobody waits for an operator's page.
func (d *devServer) close() {
	if d != nil {
		_ = d.http.Close()
		d.busy.Wait()
	}
}

func devRoutes(c service.DevServerConfig, r *readiness, pages map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	var routes []string
	handle := func(path string, h http.Handler) {
		if path == "" || slices.Contains(routes, path) {
			return
		}
		mux.Handle(path, h)
		routes = append(routes, path)
	}
	handle("/", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/" {
			http.NotFound(w, q)
			return
		}
		_ = json.NewEncoder(w).Encode(routes)
	}))
	handle(c.HealthPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.HealthResponse)) }))
	handle(readyPath, http.HandlerFunc(r.serve))
	if c.EnableMetrics {
		prometheus.Enable()
		handle(c.MetricsPath, promhttp.Handler())
	}
	for path, page := range pages {
		handle(path, page)
	}
	if c.EnablePprof {
		for name, h := range map[string]http.HandlerFunc{"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace} {
			handle("/debug/pprof/"+name, h)
		}
	}
	slices.Sort(routes)
	return mux
}

// serve is /readyz: a line a check, and 503 unless the server is ready.
func (r *readiness) serve(w http.ResponseWriter, _ *http.Request) {
	ready, findings := r.Findings()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, f := range findings {
		_, _ = w.Write([]byte(f.String() + "\n"))
	}
}

// Expose opens the DevServer, if the configuration has one, for a service that takes its
// time until Start. Start calls it, too.
func (s *Server) Expose() {
	s.exposed.Do(func() { s.dev = startDev(s.options.Conf.DevServer, s.readiness, s.options.Pages) })
}

// Ready returns whether the server is ready, and what each check says.
func (s *Server) Ready() (ready bool, findings []Finding) { return s.readiness.Findings() }

// registration is the check of the server's entry in etcd.
func (s *Server) registration() Check {
	c := s.options.Conf.Etcd
	return Check{Name: "etcd", Ask: func(context.Context) (string, error) {
		p := s.publication()
		if p == nil {
			return "", errors.New("the server is not registered under " + c.Key)
		}
		return p.Listed()
	}}
}
