package session

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/proto/session"
)

// hostile is a kind of hostile client.
type hostile struct {
	name string
	// meet has the node's peers know the client.
	meet func(c *cluster)
	// answer is how many bytes its BFF answers help.getNearestDc with, which do not shrink.
	answer int
	// connect makes one connection of the client, and returns what makes its packets,
	// one after the other.
	connect func(c *cluster, connection int) func() *session.SessionClientData
}

// hostileKeys is the first key of hostile clients; honest ones are below. A
// connection has some of its own, or they share the first.
const (
	hostileKeys    = 1 << 40
	ofConnection   = 8
	mostConnection = 64
)

// The first is no hostile client: it shows what comes of a busy processor alone.
var hostiles = []hostile{
	{"Pings", login, 0, pings},
	{"Bombs", func(c *cluster) { c.manyKeys(1) }, 0, bombs},
	{"OversizeSendCode", func(c *cluster) { c.manyKeys(0) }, 0, oversize},
	{"Reconnects", login, 1 << 20, reconnects},
	{"SilentSessions", func(c *cluster) { c.auth.add(hostileKeys, 0, 0) }, 100 << 10, silentSessions},
	{"LayerFlips", login, 2, layerFlips},
}

// login is a user who is logged in.
func login(c *cluster) { c.user(hostileKeys, hostileKeys) }

// manyKeys are keys of a type, for each connection some.
func (c *cluster) manyKeys(kind int32) {
	for id := range int64(mostConnection * ofConnection) {
		c.auth.add(hostileKeys+id, kind, 0)
	}
}

// nearestDC is an answer to help.getNearestDc of some size, which does not shrink.
func nearestDC(size int) []byte {
	country := make([]byte, size)
	for i := range country {
		country[i] = byte(' ' + rand.IntN(95))
	}
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "nearestDc")
	return protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), country)
}

// pings is a login that does nothing but ping.
func pings(c *cluster, _ int) func() *session.SessionClientData {
	d := c.device(hostileKeys, 0, hostileKeys)
	return func() *session.SessionClientData { return d.message(ping, true) }
}

// bombs is a hundred kilobytes each, of temp keys that are bound to nothing, which
// unpack to ten megabytes, and are ten times as much in protobuf. Zeros behind what is
// packed make the packet long enough for the ratio.
func bombs(c *cluster, connection int) func() *session.SessionClientData {
	const rules = 2_600_000
	b := append(ids(0xc9f81ce8, 0x4f96cb18, wire.IDVector, rules), bytes.Repeat(ids(0x184b35ce), rules)...) // account.setPrivacy
	body := wire.AppendGzip(nil, append(zipped(b), make([]byte, 90<<10)...))
	next := inTurn(func(i int64) *device { return c.device(connectionKey(connection, i), 1, 0) })
	return func() *session.SessionClientData { return next().message(body, true) }
}

// oversize is auth.sendCode with a phone number of five megabytes, of keys that
// nobody is logged in with: no BFF takes as much.
func oversize(c *cluster, connection int) func() *session.SessionClientData {
	phone := bytes.Repeat([]byte("1"), 5<<20)
	for i := 0; i < len(phone); i += 64 {
		phone[i] = byte('A' + rand.IntN(26))
	}
	body := wire.AppendGzip(nil, zipped(askCode(string(phone))))
	next := inTurn(func(i int64) *device {
		id := connectionKey(connection, i)
		return c.device(id, 0, id)
	})
	return func() *session.SessionClientData { return next().message(body, true) }
}

// reconnects is a login whose client asks for answers of a megabyte, acknowledges
// none and says with each packet that its connection is new.
func reconnects(c *cluster, _ int) func() *session.SessionClientData {
	const answers = 15
	d := c.device(hostileKeys, 0, hostileKeys)
	n := 0
	return func() *session.SessionClientData {
		body := ping
		if n++; n <= answers || n%64 == 0 {
			body = getNearestDC
		}
		d.met = false
		return d.message(body, true)
	}
}

// silentSessions is many sessions of one key, which nobody is logged in with, that
// acknowledge no answer of a hundred kilobytes.
func silentSessions(c *cluster, _ int) func() *session.SessionClientData {
	next := inTurn(func(int64) *device { return c.device(hostileKeys, 0, hostileKeys) })
	return func() *session.SessionClientData { return next().message(getNearestDC, true) }
}

// layerFlips is a login whose client has another layer and another version with each
// packet.
func layerFlips(c *cluster, _ int) func() *session.SessionClientData {
	d := c.device(hostileKeys, 0, hostileKeys)
	n := uint32(0)
	return func() *session.SessionClientData {
		n++
		b := ids(wire.IDInvokeWithLayer, 200+n%20, wire.IDInitConnection, 0, 4)
		for _, s := range strings.Fields(fmt.Sprintf("Pixel-9 SDK-36 %d en-us android en", n)) {
			b = wire.AppendBytes(b, s)
		}
		return d.message(append(b, getNearestDC...), true)
	}
}

// connectionKey is the i-th key of a connection.
func connectionKey(connection int, i int64) int64 {
	return hostileKeys + int64(connection)*ofConnection + i
}

// inTurn is the devices of a connection, which take turns.
func inTurn(device0 func(i int64) *device) func() *device {
	var all [ofConnection]*device
	for i := range all {
		all[i] = device0(int64(i))
	}
	n := 0
	return func() *device {
		n++
		return all[n%len(all)]
	}
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	_, _ = w.Write(b)                                       // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
