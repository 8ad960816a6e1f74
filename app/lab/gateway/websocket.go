package gateway

import (
	"context"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// subprotocol is what clients must ask for, and are told.
const subprotocol = "binary"

// websocket serves a client whose stream is carried by a WebSocket (RFC 6455),
// as browsers need it: /apiws, /apiws_test and the like. The stream is any of
// those that come over TCP, usually obfuscated, and messages may end anywhere in
// it (core.telegram.org/mtproto/transports, "WebSocket"). It returns when the
// client has gone.
func (w *web) websocket(out http.ResponseWriter, q *http.Request) {
	ws, err := websocket.Accept(out, q, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // pages of any origin may connect: the key authenticates, no cookie does
	})
	if err != nil {
		w.gw.log.Debug("no WebSocket", "err", err) // the client has been told
		return
	}
	under := q.Context().Value(webConnKey{}).(*webConn) // ConnContext put it there
	defer close(under.gone)
	ctx, cancel := context.WithCancel(w.gw.ctx)
	defer cancel()
	c := newConn(w.gw, &webSocket{Conn: websocket.NetConn(ctx, ws, websocket.MessageBinary), under: under})
	c.serve(ctx)
}

// webSocket is the stream that a WebSocket carries. It ends with the connection
// beneath it, without the closing handshake that the client may have no part in.
type webSocket struct {
	net.Conn
	under *webConn
}

// RemoteAddr implements net.Conn.
func (s *webSocket) RemoteAddr() net.Addr { return s.under.RemoteAddr() }

// Close implements net.Conn.
func (s *webSocket) Close() error {
	err := s.under.Close()
	_ = s.Conn.Close()
	return err
}
