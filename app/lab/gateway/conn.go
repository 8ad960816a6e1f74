package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gotd/td/proto"

	"github.com/tgsession/tgsession/app/lab/gateway/frame"
	"github.com/tgsession/tgsession/app/lab/gateway/keyex"
	"github.com/tgsession/tgsession/app/lab/gateway/upstream"
	"github.com/tgsession/tgsession/proto/session"
)

const (
	// maxSessions is how many sessions one connection may serve.
	maxSessions = 64
	// maxPlain is the longest handshake message, trailing integers included.
	maxPlain = 4096

	codeNotFound = -404
	codeFlood    = -429
)

// conn is one client's connection.
type conn struct {
	gw       *Gateway
	net      net.Conn
	ip       string
	log      *slog.Logger
	stream   *frame.Stream
	exchange *keyex.Exchange
	ids      *proto.MessageIDGen
	out      *outbox
	sessions map[sessionKey]struct{} // of the reading goroutine
	closeAt  time.Time               // some time after ping_delay_disconnect asked, likewise; zero: it did not

	once sync.Once
	gone chan struct{}
}

func newConn(gw *Gateway, nc net.Conn) *conn {
	ip, _, _ := net.SplitHostPort(nc.RemoteAddr().String())
	return &conn{
		gw: gw, net: nc, ip: ip,
		log:      gw.log.With("client", nc.RemoteAddr().String()),
		exchange: gw.keyex.NewExchange(),
		ids:      proto.NewMessageIDGen(gw.cfg.Now),
		out:      newOutbox(gw.cfg.OutboxItems, gw.cfg.OutboxBytes),
		sessions: map[sessionKey]struct{}{},
		gone:     make(chan struct{}),
	}
}

// close cuts the connection; its goroutines end by themselves.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.net.Close()
	})
}

// serve reads until the connection ends, then lets its sessions go.
func (c *conn) serve(ctx context.Context) {
	var writer sync.WaitGroup
	defer writer.Wait()
	defer c.close()
	_ = c.net.SetReadDeadline(time.Now().Add(c.gw.cfg.OpenTimeout))
	stream, err := frame.Accept(c.net, c.gw.cfg.MaxPacket)
	if errors.Is(err, frame.ErrHTTP) {
		c.gw.web.serve(c.net, stream.Rest())
		return
	}
	if err != nil {
		c.log.Debug("no transport", "err", err)
		return
	}
	c.stream = stream
	c.log.Debug("connected", "transport", stream.Transport().String(), "obfuscated", stream.Obfuscated())
	writer.Go(c.write)
	defer c.leaveAll()

	for {
		// Without a session yet, a client has the time of a handshake only.
		idle := c.gw.cfg.OpenTimeout
		if len(c.sessions) > 0 {
			idle = c.gw.cfg.IdleTimeout
		}
		deadline := time.Now().Add(idle)
		if !c.closeAt.IsZero() && c.closeAt.Before(deadline) {
			deadline = c.closeAt
		}
		_ = c.net.SetReadDeadline(deadline)
		raw, quickAck, err := stream.ReadPacket(nil)
		if err == nil {
			err = c.receive(ctx, raw, quickAck)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				c.log.Debug("disconnected", "err", err)
			}
			return
		}
	}
}

// receive handles one packet; an error ends the connection.
func (c *conn) receive(ctx context.Context, raw []byte, quickAck bool) error {
	if len(raw) < keyIDLen {
		return errMalformed
	}
	id := int64(binary.LittleEndian.Uint64(raw))
	if id == 0 {
		return c.plain(ctx, raw)
	}
	key, err := c.gw.keys.get(ctx, id)
	switch {
	case errors.Is(err, upstream.ErrUnknownKey):
		return c.fail(codeNotFound)
	case err != nil:
		// Not the client's fault: it sends again (ERR-15, TR-13).
		c.log.Warn("auth key cannot be looked up", "auth_key_id", id, "err", err)
		return nil
	}
	p, err := open(&key.AuthKey, raw, c.stream.Transport() == frame.Padded)
	switch {
	case errors.Is(err, errMalformed):
		return c.fail(codeNotFound)
	case err != nil:
		return err
	}
	return c.forward(ctx, key, p, quickAck)
}

// forward hands an opened packet to the session service.
func (c *conn) forward(ctx context.Context, key *authKey, p packet, quickAck bool) error {
	seen := look(p.payload)
	if seen.flood {
		return c.fail(codeFlood)
	}
	if seen.linger > 0 {
		c.closeAt = time.Now().Add(seen.linger + c.gw.cfg.PingGrace)
	}
	k := sessionKey{key.IntID(), p.sessionID}
	if _, known := c.sessions[k]; !known && len(c.sessions) >= maxSessions {
		return c.fail(codeFlood)
	}
	c.sessions[k] = struct{}{}
	data := &session.SessionClientData{
		ServerId:      c.gw.serverID,
		AuthKeyId:     k.authKeyID,
		KeyType:       int32(key.kind),
		PermAuthKeyId: key.perm,
		SessionId:     p.sessionID,
		ClientIp:      c.ip,
		Salt:          p.salt,
		Payload:       p.payload,
	}
	if c.gw.hub.join(k, key, c) {
		data.ConnType = 1
	}
	if err := c.gw.backend.SendData(ctx, data, func() { c.keyGone(k.authKeyID) }); err != nil {
		c.log.Warn("packet not taken by session", "auth_key_id", k.authKeyID, "session_id", k.sessionID, "err", err)
		return nil // the client sends again what is not acknowledged
	}
	c.gw.hub.announced(k)
	if quickAck {
		return c.out.put(item{frame: frame.Out{Token: p.token}})
	}
	return nil
}

// keyGone tells the client that session does not know the key any more, though
// this gateway still did (PFS-19).
func (c *conn) keyGone(id int64) {
	c.gw.keys.forget(id)
	if err := c.fail(codeNotFound); err != nil {
		c.close()
	}
}

// plain answers a handshake message (KEY-1).
func (c *conn) plain(ctx context.Context, raw []byte) error {
	body, ok := plainBody(raw)
	if !ok {
		return c.fail(codeNotFound)
	}
	answer, err := c.exchange.Handle(ctx, body)
	if err != nil {
		c.log.Debug("handshake refused", "err", err)
		var refused *keyex.Error
		if errors.As(err, &refused) {
			return c.fail(refused.Code)
		}
		return err
	}
	return c.out.put(item{frame: frame.Out{Packet: appendPlain(answer, c.ids)}})
}

// plainHead is auth_key_id, msg_id and length.
const plainHead = 8 + 8 + 4

// plainBody is what a plain message holds.
func plainBody(raw []byte) (body []byte, ok bool) {
	if len(raw) < plainHead || len(raw) > maxPlain {
		return nil, false
	}
	length := binary.LittleEndian.Uint32(raw[16:])
	if uint64(length) > uint64(len(raw)-plainHead) {
		return nil, false
	}
	return raw[plainHead : plainHead+length], true
}

// appendPlain makes the plain message of an answer.
func appendPlain(answer []byte, ids *proto.MessageIDGen) []byte {
	out := make([]byte, 8, plainHead+len(answer))
	out = binary.LittleEndian.AppendUint64(out, uint64(ids.New(proto.MessageServerResponse)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(answer)))
	return append(out, answer...)
}

// fail sends a transport error. The connection stays: clients begin a new
// handshake on it.
func (c *conn) fail(code int32) error {
	return c.out.put(item{frame: frame.Out{Packet: frame.TransportError(code)}})
}

// deliver queues a payload of session's; a client too slow for it is cut off.
func (c *conn) deliver(key *authKey, payload []byte) {
	if err := c.out.put(item{key: key, payload: payload}); err != nil {
		c.log.Info("client cut off", "err", err)
		c.close()
	}
}

// write sends what is queued until the connection ends.
func (c *conn) write() {
	defer c.close()
	for {
		select {
		case <-c.out.wake:
		case <-c.gone:
			return
		}
		items := c.out.take()
		outs := make([]frame.Out, 0, len(items))
		for _, i := range items {
			if i.key != nil {
				sealed, err := seal(&i.key.AuthKey, i.payload)
				if err != nil {
					c.log.Warn("payload of session not sent", "err", err)
					continue
				}
				i.frame.Packet = sealed
			}
			outs = append(outs, i.frame)
		}
		_ = c.net.SetWriteDeadline(time.Now().Add(c.gw.cfg.WriteTimeout))
		if err := c.stream.WritePackets(outs...); err != nil {
			return
		}
	}
}

// leaveAll tells the session service which sessions lost their last
// connection. Of an unbound key it is never told.
func (c *conn) leaveAll() {
	for k := range c.sessions {
		key, last := c.gw.hub.leave(k, c)
		if !last || key.perm == 0 {
			continue
		}
		err := c.gw.backend.CloseSession(context.Background(), &session.SessionClientEvent{
			PredicateName: "sessionClientEvent",
			ServerId:      c.gw.serverID,
			AuthKeyId:     k.authKeyID,
			KeyType:       int32(key.kind),
			PermAuthKeyId: key.perm,
			SessionId:     k.sessionID,
			ClientIp:      c.ip,
		})
		if err != nil {
			c.log.Warn("session not told of a closed connection", "auth_key_id", k.authKeyID, "session_id", k.sessionID, "err", err)
		}
	}
}
