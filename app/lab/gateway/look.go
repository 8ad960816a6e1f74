package gateway

import (
	"encoding/binary"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"
)

const (
	maxMembers = 1024 // of a container (CONT-2)
	maxIDs     = 8192 // in one service message (ACK-1)
	maxLinger  = 600  // seconds; clients ask for 35 to 420

	memberHead = 8 + 4 + 4 // msg_id, seqno, bytes

	msgsStateReq    = 0xda69fb52
	msgResendReq    = 0x7d861a08
	msgResendAnsReq = 0x8610baeb
)

// glance is what concerns a gateway in a packet that it passes on. Both are
// things that only who holds the connection can do: session answers messages,
// it cannot send a transport error nor close a socket.
type glance struct {
	flood  bool          // a limit is passed whose answer is -429 (TR-10)
	linger time.Duration // the connection's life from now on, unless told again (PING-2); 0: not told
}

// look looks at a payload: msg_id, seq_no, length, body, padding. Of what does
// not parse it says nothing: session will.
func look(payload []byte) (g glance) {
	const head = 8 + 4 + 4
	if len(payload) < head {
		return g
	}
	body := payload[head:]
	if n := uint64(binary.LittleEndian.Uint32(payload[head-4:])); n < uint64(len(body)) {
		body = body[:n]
	}
	if word(body, 0) != proto.MessageContainerTypeID {
		g.message(body)
		return g
	}
	count := word(body, 1)
	if len(body) >= 2*bin.Word && count > maxMembers {
		g.flood = true
		return g
	}
	for rest := body[min(len(body), 2*bin.Word):]; count > 0 && len(rest) >= memberHead; count-- {
		n := uint64(word(rest, 3))
		rest = rest[memberHead:]
		if n > uint64(len(rest)) {
			return g
		}
		g.message(rest[:n])
		rest = rest[n:]
	}
	return g
}

// message looks at one message.
func (g *glance) message(body []byte) {
	switch word(body, 0) {
	case mt.MsgsAckTypeID, msgsStateReq, msgResendReq, msgResendAnsReq:
		if word(body, 1) == bin.TypeVector && word(body, 2) > maxIDs {
			g.flood = true
		}
	case mt.PingDelayDisconnectRequestTypeID:
		const long = 4 * bin.Word // id, ping_id, disconnect_delay
		if len(body) == long {
			delay := int32(word(body, 3))
			g.linger = time.Duration(min(max(delay, 1), maxLinger)) * time.Second
		}
	}
}

// word is the i-th word of b, 0 behind its end.
func word(b []byte, i int) uint32 {
	if len(b) < (i+1)*bin.Word {
		return 0
	}
	return binary.LittleEndian.Uint32(b[i*bin.Word:])
}
