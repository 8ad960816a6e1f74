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
	idGreeting  = 0x9ec20908 // new_session_created
)

// Sizes on the wire.
const (
	messageHead = 16 // msg_id, seqno, length
	packetHead  = 16 // salt, session_id
	minPadding  = 12
	blockSize   = 16
)

// serverSalt is the salt of every key.
const serverSalt = 0x0123456789abcdef

// device is a logged-in client with one session, as its gateway sees it: packets
// without encryption. It sends for one caller at a time, and takes packets from
// any goroutine.
type device struct {
	key     int64 // perm auth key, which is the transport key, too
	session int64
	server  string // its gateway
	raw     bool   // each packet is what is waited for: the floor sends no messages

	// The caller's alone.
	met  bool // its node has had a packet
	last int64
	seq  int32

	came chan struct{} // capacity 1: what is waited for

	mu   sync.Mutex
	push bool  // updates are waited for, not answers
	wait int64 // the call whose answer is waited for; 0: none
	acks []int64
}

func newDevice(key int64, server string, raw bool) *device {
	return &device{key: key, session: rand.Int64(), server: server, raw: raw, came: make(chan struct{}, 1)}
}

// expectPushes has the device wait for updates from here on.
func (d *device) expectPushes() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.push = true
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

// message adds a message; one without content does not count in the seqno.
func (d *device) message(b []byte, id int64, content bool, body []byte) []byte {
	seq := 2 * d.seq
	if content {
		seq++
		d.seq++
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.LittleEndian.AppendUint32(b, uint32(seq))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// takeAcks returns the messages to acknowledge, when there are so many at least.
func (d *device) takeAcks(least int) []int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.acks) < least {
		return nil
	}
	acks := d.acks
	d.acks = nil
	return acks
}

func msgsAck(ids []int64) []byte {
	b := words(idMsgsAck, idVector, uint32(len(ids)))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
	}
	return b
}

func words(v ...uint32) (b []byte) {
	for _, w := range v {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// call makes the packet of a call, in a container with the acknowledgment of what
// came since the last packet; the call's answer is waited for from here on.
func (d *device) call(body []byte) *session.SessionClientData {
	acks := d.takeAcks(1)
	if d.raw {
		acks = []int64{1} // as many bytes as session gets
	}
	id := d.nextID()
	d.mu.Lock()
	d.wait = id
	d.mu.Unlock()
	if len(acks) == 0 {
		return d.packet(d.message(nil, id, true, body))
	}
	inner := d.message(words(idContainer, 2), id, true, body)
	inner = d.message(inner, d.nextID(), false, msgsAck(acks))
	return d.packet(d.message(nil, d.nextID(), false, inner))
}

// say makes the packet of a message whose answer is none of an API call.
func (d *device) say(body []byte, content bool) *session.SessionClientData {
	return d.packet(d.message(nil, d.nextID(), content, body))
}

// packet pads a message and adds what the gateway knows.
func (d *device) packet(b []byte) *session.SessionClientData {
	padding := minPadding + (blockSize-(len(b)+minPadding)%blockSize)%blockSize
	first := int32(0)
	if !d.met {
		first, d.met = 1, true
	}
	return &session.SessionClientData{
		ConnType: first, ServerId: d.server, AuthKeyId: d.key, PermAuthKeyId: d.key,
		SessionId: d.session, ClientIp: "203.0.113.7", Salt: serverSalt, Payload: append(b, make([]byte, padding)...),
	}
}

// deliver takes a packet from the node.
func (d *device) deliver(payload []byte) {
	switch {
	case d.raw:
		d.arrived()
	case len(payload) > packetHead:
		d.read(payload[packetHead:])
	}
}

func (d *device) arrived() {
	select {
	case d.came <- struct{}{}:
	default:
	}
}

// read takes a message of the node, or all of a container's, and returns how many
// bytes it had. What is cut off is left.
func (d *device) read(b []byte) (size int) {
	if len(b) < messageHead+4 {
		return len(b)
	}
	size = min(len(b), messageHead+int(binary.LittleEndian.Uint32(b[12:])))
	if size < messageHead+4 {
		return size
	}
	id, content := int64(binary.LittleEndian.Uint64(b)), b[8]&1 == 1
	body := b[messageHead:size]
	if binary.LittleEndian.Uint32(body) != idContainer {
		d.take(id, content, body)
		return size
	}
	for rest := body[min(len(body), 8):]; len(rest) > 0; {
		rest = rest[d.read(rest):]
	}
	return size
}

// take notes a message to acknowledge, and tells the caller when it waits for it.
func (d *device) take(id int64, content bool, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if content {
		d.acks = append(d.acks, id)
	}
	awaited := false
	switch kind := binary.LittleEndian.Uint32(body); {
	case kind == idRPCResult && len(body) >= 12:
		if awaited = d.wait != 0 && d.wait == int64(binary.LittleEndian.Uint64(body[4:])); awaited {
			d.wait = 0
		}
	case kind == idPong:
		awaited = true
	default:
		awaited = d.push && content && kind != idGreeting
	}
	if awaited {
		d.arrived()
	}
}
