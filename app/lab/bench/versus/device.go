package versus

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tgsession/tgsession/proto/session"
)

// Constructors that clients tell apart.
const (
	idContainer = 0x73f1f8dc
	idRPCResult = 0xf35c6d01
	idMsgsAck   = 0x62d6b459
	idVector    = 0x1cb5c415
	idGetState  = 0xedd4882a
	idPing      = 0x7abe77ec
	idPong      = 0x347773c5
)

// serverSalt is the salt of every key.
const serverSalt = 0x0123456789abcdef

// device is a logged-in client with one session, as its gateway sees it: packets
// without encryption. What it sends is one caller's at a time.
type device struct {
	key     int64 // perm auth key, which is the transport key, too
	session int64
	server  string // its gateway
	raw     bool   // each packet is an answer: the floor sends no messages
	push    bool   // updates are waited for, not answers

	met  bool // its node has had a packet
	last int64
	seq  int32

	came chan struct{} // capacity 1: what is waited for

	mu   sync.Mutex
	wait int64 // the call whose answer is waited for; 0: none
	acks []int64
}

func newDevice(key int64, server string, raw, push bool) *device {
	return &device{key: key, session: rand.Int64(), server: server, raw: raw, push: push, came: make(chan struct{}, 1)} //nolint:gosec // no secret
}

func (d *device) nextID() int64 {
	now := time.Now()
	id := now.Unix()<<32 | int64(now.Nanosecond()&^3)
	if id <= d.last {
		id = d.last + 4
	}
	d.last = id
	return id
}

// head is what a message has before its body.
func (d *device) head(b []byte, id int64, content bool, size int) []byte {
	seq := 2 * d.seq
	if content {
		seq++
		d.seq++
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.LittleEndian.AppendUint32(b, uint32(seq))
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

// takeAcks returns the messages that are due to be acknowledged.
func (d *device) takeAcks() []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	acks := d.acks
	d.acks = nil
	return acks
}

func appendAck(b []byte, ids []int64) []byte {
	b = binary.LittleEndian.AppendUint32(b, idMsgsAck)
	b = binary.LittleEndian.AppendUint32(b, idVector)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ids)))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
	}
	return b
}

// call makes the packet of a call, in a container with the acknowledgment of what
// came since the last packet; the call's answer is waited for from here on.
func (d *device) call(body []byte) *session.SessionClientData {
	acks := d.takeAcks()
	if d.raw {
		acks = []int64{1} // as many bytes as session gets
	}
	id := d.nextID()
	var b []byte
	if len(acks) == 0 {
		b = append(d.head(nil, id, true, len(body)), body...)
	} else {
		ack := appendAck(nil, acks)
		ackID := d.nextID()
		inner := append(d.head(nil, id, true, len(body)), body...)
		inner = append(d.head(inner, ackID, false, len(ack)), ack...)
		b = d.head(nil, d.nextID(), false, 8+len(inner))
		b = binary.LittleEndian.AppendUint32(b, idContainer)
		b = binary.LittleEndian.AppendUint32(b, 2)
		b = append(b, inner...)
	}
	d.mu.Lock()
	d.wait = id
	d.mu.Unlock()
	return d.data(b)
}

// acknowledge makes the packet of a msgs_ack.
func (d *device) acknowledge(ids []int64) *session.SessionClientData {
	ack := appendAck(nil, ids)
	return d.data(append(d.head(nil, d.nextID(), false, len(ack)), ack...))
}

// message makes the packet of a message that nothing is waited for after.
func (d *device) message(body []byte) *session.SessionClientData {
	return d.data(append(d.head(nil, d.nextID(), true, len(body)), body...))
}

// data pads a packet and adds what the gateway knows.
func (d *device) data(b []byte) *session.SessionClientData {
	b = append(b, make([]byte, 12+(16-(len(b)+12)%16)%16)...)
	conn := int32(0)
	if !d.met {
		conn, d.met = 1, true
	}
	return &session.SessionClientData{
		ConnType: conn, ServerId: d.server, AuthKeyId: d.key, PermAuthKeyId: d.key,
		SessionId: d.session, ClientIp: "203.0.113.7", Salt: serverSalt, Payload: b,
	}
}

// deliver takes a packet from the node.
func (d *device) deliver(payload []byte) {
	if d.raw {
		d.arrived()
		return
	}
	if len(payload) > 16 { // salt and session_id
		d.read(payload[16:])
	}
}

func (d *device) arrived() {
	select {
	case d.came <- struct{}{}:
	default:
	}
}

// read takes a message of the node, or all of a container's; what is cut off is
// left.
func (d *device) read(b []byte) (size int) {
	if len(b) < 20 {
		return len(b)
	}
	id, seq, n := int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint32(b[8:]), int(binary.LittleEndian.Uint32(b[12:]))
	body := b[16:min(len(b), 16+n)]
	switch binary.LittleEndian.Uint32(body) {
	case idContainer:
		if len(body) < 8 {
			break
		}
		for rest := body[8:]; len(rest) >= 20; {
			rest = rest[d.read(rest):]
		}
	case idRPCResult:
		d.note(id, seq, len(body) >= 12 && d.answers(int64(binary.LittleEndian.Uint64(body[4:]))))
	case idPong:
		d.arrived()
	default:
		d.note(id, seq, d.push && seq&1 == 1 && !greeting(body))
	}
	return min(len(b), 16+n)
}

// greeting reports new_session_created.
func greeting(body []byte) bool { return binary.LittleEndian.Uint32(body) == 0x9ec20908 }

func (d *device) answers(req int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if req != d.wait {
		return false
	}
	d.wait = 0
	return true
}

// note remembers a message to acknowledge, and tells the caller when it is the one.
func (d *device) note(id int64, seq uint32, awaited bool) {
	if seq&1 == 1 {
		d.mu.Lock()
		d.acks = append(d.acks, id)
		d.mu.Unlock()
	}
	if awaited {
		d.arrived()
	}
}
