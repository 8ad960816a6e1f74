package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/proto"

	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
	"github.com/tgsession/tgsession/proto/session"
)

// connHTTP is the conn_type of packets that came over HTTP.
const connHTTP = 2

// web serves the clients that speak HTTP: POST /api with one packet in each
// direction and no framing, on a connection that stays open (HTTP-1). What
// other transports say by a transport error is a status code here (HTTP-9).
// GET /apiws is the door to WebSockets.
type web struct {
	gw     *Gateway
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
	runs   exchanges
	ids    *proto.MessageIDGen
}

func newWeb(gw *Gateway) *web {
	w := &web{gw: gw, conns: make(chan net.Conn), done: make(chan struct{}), ids: proto.NewMessageIDGen(gw.cfg.Now)}
	w.runs = exchanges{srv: gw.keyex, now: gw.cfg.Now, byNonce: map[bin.Int128]*httpRun{}}
	w.server = &http.Server{
		Handler:           w,
		ReadHeaderTimeout: gw.cfg.OpenTimeout,
		ReadTimeout:       gw.cfg.OpenTimeout,
		WriteTimeout:      gw.cfg.OpenTimeout + gw.cfg.HTTPWait + gw.cfg.WriteTimeout,
		IdleTimeout:       gw.cfg.IdleTimeout,
		MaxHeaderBytes:    1 << 14,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, webConnKey{}, c) },
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed { // of one that became a WebSocket, websocket tells
				close(c.(*webConn).gone)
			}
		},
	}
	return w
}

func (w *web) run() { _ = w.server.Serve(w) } // ends with close

func (w *web) close() {
	w.once.Do(func() { close(w.done) })
	_ = w.server.Close()
}

// Accept, Close and Addr make web the listener of its server.
func (w *web) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w *web) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

// Addr implements net.Listener.
func (w *web) Addr() net.Addr { return w.gw.clients.Addr() }

// serve has a connection served and returns when it has ended. Its first bytes
// come from rest.
func (w *web) serve(nc net.Conn, rest io.Reader) {
	_ = nc.SetReadDeadline(time.Time{})
	c := &webConn{Conn: nc, r: rest, gone: make(chan struct{})}
	select {
	case w.conns <- c:
		<-c.gone
	case <-w.done:
	}
}

// webConn is a connection that was peeked into.
type webConn struct {
	net.Conn
	r    io.Reader
	gone chan struct{} // closed when the server is done with it
}

// webConnKey is the key of the connection in the context of its requests.
type webConnKey struct{}

func (c *webConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// ServeHTTP answers one packet.
func (w *web) ServeHTTP(out http.ResponseWriter, q *http.Request) {
	out.Header().Set("Access-Control-Allow-Origin", "*") // clients in browsers
	switch {
	case !strings.HasPrefix(q.URL.Path, "/api"): // /api, /apiw, /apiw1, /api_test, …
		out.WriteHeader(http.StatusNotFound)
		return
	case q.Method == http.MethodOptions:
		out.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		out.Header().Set("Access-Control-Allow-Headers", "content-type")
		return
	case q.Method == http.MethodGet && strings.HasPrefix(q.URL.Path, "/apiws"):
		w.websocket(out, q)
		return
	case q.Method != http.MethodPost:
		out.Header().Set("Allow", "POST, OPTIONS")
		out.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(out, q.Body, int64(w.gw.cfg.MaxPacket)))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		out.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	packet, status := w.answer(q, raw)
	if status != http.StatusOK {
		out.WriteHeader(status)
		return
	}
	out.Header().Set("Content-Type", "application/octet-stream")
	out.Header().Set("Content-Length", strconv.Itoa(len(packet)))
	_, _ = out.Write(packet) // whoever left has it sent again
}

// answer handles a packet and returns the one that answers it.
func (w *web) answer(q *http.Request, raw []byte) (packet []byte, status int) {
	if len(raw) < keyIDLen {
		return nil, http.StatusNotFound
	}
	id := int64(binary.LittleEndian.Uint64(raw))
	if id == 0 {
		return w.plain(q.Context(), raw)
	}
	key, err := w.gw.keys.get(q.Context(), id)
	switch {
	case errors.Is(err, upstream.ErrUnknownKey):
		return nil, http.StatusNotFound
	case err != nil:
		w.gw.log.Warn("auth key cannot be looked up", "auth_key_id", id, "err", err)
		return nil, http.StatusServiceUnavailable
	}
	p, err := open(&key.AuthKey, raw, false)
	if err != nil { // forged or malformed: nothing tells which (ENC-5)
		return nil, http.StatusNotFound
	}
	if look(p.payload).flood {
		return nil, http.StatusTooManyRequests
	}
	ip, _, _ := net.SplitHostPort(q.RemoteAddr)
	ctx, cancel := context.WithTimeout(q.Context(), w.gw.cfg.HTTPWait)
	defer cancel()
	payload, err := w.gw.backend.SendHTTP(ctx, &session.SessionClientData{
		ServerId: w.gw.serverID, ConnType: connHTTP, AuthKeyId: id, SessionId: p.sessionID,
		ClientIp: ip, Salt: p.salt, Payload: p.payload,
	})
	switch {
	case errors.Is(err, upstream.ErrUnknownKey):
		w.gw.keys.forget(id)
		return nil, http.StatusNotFound
	case err != nil:
		w.gw.log.Warn("packet not taken by session", "auth_key_id", id, "session_id", p.sessionID, "err", err)
		return nil, http.StatusServiceUnavailable
	case len(payload) == 0:
		return nil, http.StatusOK
	}
	sealed, err := seal(&key.AuthKey, payload)
	if err != nil {
		w.gw.log.Warn("payload of session not sent", "err", err)
		return nil, http.StatusServiceUnavailable
	}
	return sealed, http.StatusOK
}

// plain answers a handshake message (KEY-1).
func (w *web) plain(ctx context.Context, raw []byte) (packet []byte, status int) {
	body, ok := plainBody(raw)
	if !ok || len(body) < 4+16 {
		return nil, http.StatusNotFound
	}
	answer, err := w.runs.handle(ctx, body)
	if err != nil {
		w.gw.log.Debug("handshake refused", "err", err)
		return nil, http.StatusNotFound
	}
	return appendPlain(answer, w.ids), http.StatusOK
}

// exchanges are the key exchanges under way over HTTP. One may come over
// several connections, so the client's nonce, which follows the constructor of
// all its queries, names it.
type exchanges struct {
	srv *keyex.Server
	now func() time.Time

	mu      sync.Mutex
	byNonce map[bin.Int128]*httpRun
}

type httpRun struct {
	began time.Time

	mu       sync.Mutex
	exchange *keyex.Exchange
}

const (
	maxExchanges = 1024
	exchangeLife = 10 * time.Minute // KEY-22
)

func (e *exchanges) handle(ctx context.Context, body []byte) ([]byte, error) {
	run := e.run(bin.Int128(body[4:20]))
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.exchange.Handle(ctx, body)
}

// run finds or makes an exchange. Where there are too many, the oldest goes.
func (e *exchanges) run(nonce bin.Int128) *httpRun {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r, ok := e.byNonce[nonce]; ok {
		return r
	}
	if len(e.byNonce) >= maxExchanges {
		var oldest bin.Int128
		for n, r := range e.byNonce {
			if e.now().Sub(r.began) > exchangeLife {
				delete(e.byNonce, n)
			} else if o := e.byNonce[oldest]; o == nil || r.began.Before(o.began) {
				oldest = n
			}
		}
		if len(e.byNonce) >= maxExchanges {
			delete(e.byNonce, oldest)
		}
	}
	r := &httpRun{began: e.now(), exchange: e.srv.NewExchange()}
	e.byNonce[nonce] = r
	return r
}
