package sess

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// data makes the packet of a message.
func (d *dialogue) data(t *testing.T, td *datadriven.TestData, m wire.Message) *Data {
	sid := int64(1)
	td.MaybeScanArgs(t, "from", &sid)
	data := d.x.data(sid, m)
	td.MaybeScanArgs(t, "via", &data.ServerID)
	td.MaybeScanArgs(t, "salt", &data.Salt)
	data.NewConn = td.HasArg("new")
	if td.HasArg("http") {
		slot, until := uint64(0), "7s"
		td.ScanArgs(t, "http", &slot)
		td.MaybeScanArgs(t, "until", &until)
		wait, err := time.ParseDuration(until)
		require.NoError(t, err)
		data.ServerID, data.HTTP, data.HTTPUntil = "", Slot(slot), d.x.now+int64(wait)
	}
	key := ""
	switch td.MaybeScanArgs(t, "key", &key); key {
	case "temp":
		data.AuthKeyID, data.KeyType = tempKey, TempKey
	case "temp2": // another one of the kind
		data.AuthKeyID, data.KeyType = tempKey+1, TempKey
	case "media":
		data.AuthKeyID, data.KeyType = mediaKey, MediaTempKey
	}
	if td.HasArg("old") { // to its gateway, though not to the wrapper
		d.x.met[msgKey{data.AuthKeyID, sid}] = true
	}
	return data
}

// message reads a line "name: [word...] constructor [argument...]".
func (d *dialogue) message(t *testing.T, sid int64, line string) wire.Message {
	name, rest, ok := strings.Cut(line, ":")
	require.True(t, ok, line)
	words := strings.Fields(rest)
	var wrap []func([]byte) []byte
	age, seq, off := time.Duration(0), int64(-1), int64(0)
	var plain []string
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "layer":
			layer := int32(number64(t, value))
			wrap = append(wrap, func(q []byte) []byte { return tlLayer(layer, q) })
		case "init":
			version := "12.1.0"
			if value != "" {
				version = value
			}
			wrap = append(wrap, func(q []byte) []byte { return tlInitOf(version, q) })
		case "quiet":
			wrap = append(wrap, tlQuiet)
		case "after":
			id := d.id(t, value)
			wrap = append(wrap, func(q []byte) []byte { return tlAfter(id, q) })
		case "afters":
			var ids []int64
			for _, name := range strings.Split(value, ",") {
				ids = append(ids, d.id(t, name))
			}
			wrap = append(wrap, func(q []byte) []byte { return append(tlLongs(wire.IDInvokeAfterMsgs, ids...), q...) })
		case "gzip":
			wrap = append(wrap, func(q []byte) []byte { return gzipped(t, q) })
		case "age":
			var err error
			age, err = time.ParseDuration(value)
			require.NoError(t, err)
		case "seq":
			seq = number64(t, value)
		case "off":
			off = number64(t, value)
		default:
			plain = append(plain, word)
		}
	}
	require.NotEmpty(t, plain, line)
	body := d.body(t, sid, plain[0], plain[1:])
	for i := len(wrap) - 1; i >= 0; i-- {
		body = wrap[i](body)
	}
	m := d.x.msg(sid, body)
	if age != 0 {
		m.ID = d.x.id(-age)
	}
	if seq >= 0 {
		m.Seq = int32(seq)
	}
	m.ID += off
	d.name(strings.TrimSpace(name), m)
	return m
}

// id finds a message by name; a number is itself, ahead an id to come.
func (d *dialogue) id(t *testing.T, name string) int64 {
	if name == "ahead" {
		return d.x.id(time.Second)
	}
	other := int64(0)
	for key, n := range d.names {
		switch {
		case n == name && key.sid == d.sid:
			return key.id
		case n == name:
			other = key.id
		}
	}
	if other != 0 { // of another session
		return other
	}
	return number64(t, name)
}

func (d *dialogue) body(t *testing.T, sid int64, what string, args []string) []byte {
	arg := func(i int) int64 {
		require.Greater(t, len(args), i, what)
		return d.id(t, args[i])
	}
	ids := func() (out []int64) {
		for i := range args {
			out = append(out, arg(i))
		}
		return out
	}
	switch what {
	case "ping":
		return tlPing(arg(0))
	case "ping_delay_disconnect":
		return tlInt(tlLong(tlID(wire.IDPingDelayDisconnect), arg(0)), int32(arg(1)))
	case "msgs_ack":
		return tlAck(ids()...)
	case "get_future_salts":
		return tlInt(tlID(wire.IDGetFutureSalts), int32(arg(0)))
	case "destroy_session":
		return tlLong(tlID(wire.IDDestroySession), arg(0))
	case "destroy_auth_key":
		return tlID(wire.IDDestroyAuthKey)
	case "rpc_drop_answer":
		return tlLong(tlID(wire.IDRPCDropAnswer), arg(0))
	case "msgs_state_req":
		return tlLongs(wire.IDMsgsStateReq, ids()...)
	case "msg_resend_req":
		return tlLongs(wire.IDMsgResendReq, ids()...)
	case "msgs_all_info":
		var info []byte
		for i := range args[1:] {
			info = append(info, byte(arg(1+i)))
		}
		return wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, arg(0)), info)
	case "http_wait":
		return tlHTTPWait(int32(arg(0)), int32(arg(1)), int32(arg(2)))
	case "msg_container":
		return wire.AppendContainer(nil, 0)
	case "msg_copy":
		m := d.named[args[0]]
		return append(wire.AppendMessageHeader(tlID(wire.IDMsgCopy), m.ID, m.Seq, len(m.Body)), m.Body...)
	case "zeros":
		return make([]byte, arg(0))
	case "raw":
		b, err := hex.DecodeString(args[0])
		require.NoError(t, err)
		return b
	case "auth.bindTempAuthKey":
		return tlBind(permKey)
	case "auth.dropTempAuthKeys":
		return tlLongs(wire.IDDropTempAuthKeys, ids()...)
	case "auth.signIn":
		return d.x.method(what, int32(1), "1", "2", "3")
	case "upload.getCdnFile":
		return d.x.method(what, "", int64(0), int32(1))
	}
	if len(args) > 0 {
		rest, err := hex.DecodeString(args[0])
		require.NoError(t, err)
		return d.x.method(what, rest)
	}
	return d.x.method(what)
}

// object is what a BFF answers.
func (d *dialogue) object(t *testing.T, method string, td *datadriven.TestData) []byte {
	if method == "updates.getState" {
		return updatesState()
	}
	country := "NL"
	if size := 0; td.HasArg("size") {
		td.ScanArgs(t, "size", &size)
		country = incompressible(size)
	}
	if size := 0; td.HasArg("zeros") {
		td.ScanArgs(t, "zeros", &size)
		country = string(make([]byte, size))
	}
	if method == "upload.getCdnFile" { // upload.cdnFile bytes:bytes
		return wire.AppendBytes(tlID(0xa99fca4f), country)
	}
	return nearestDC(country)
}
