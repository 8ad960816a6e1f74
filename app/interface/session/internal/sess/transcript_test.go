package sess

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// TestTranscripts plays the dialogues in testdata/transcripts: one file for a
// chapter of the protocol, comments naming the rules. Run with -rewrite after
// a change, and read the difference.
//
// Messages of the client are named by the dialogue, those of the server s1,
// s2, ... as they appear; a message sent again keeps its name. A container is
// printed as {...}, a message as name/seqno=text.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		d := &dialogue{}
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if d.x != nil {
				d.x.t = t
			}
			return d.run(t, td)
		})
	})
}

// dialogue is a world whose inputs and effects are text.
type dialogue struct {
	x     *world
	named map[string]wire.Message // of the client
	names map[msgKey]string       // of all
	sid   int64                   // session at hand
	ours  int
	seen  int // calls printed
}

// msgKey is a message: ids are the sessions' own.
type msgKey struct{ sid, id int64 }

func (d *dialogue) run(t *testing.T, td *datadriven.TestData) string {
	if td.Cmd == "wrapper" {
		d.wrapper(t, td)
		return ""
	}
	x := d.x
	require.NotNil(t, x, "begin with wrapper")
	arg := func(i int) string {
		require.Greater(t, len(td.CmdArgs), i, td.Pos)
		return td.CmdArgs[i].Key
	}
	switch td.Cmd {
	case "packet":
		d.packet(t, td)
	case "again":
		x.step(d.data(t, td, d.named[arg(0)]))
	case "answer":
		x.answer(arg(0), d.object(t, arg(0), td))
	case "promise":
		ticket, _ := x.invoked(arg(0))
		x.finish(ticket, &MethodResult{Pushed: true}, nil)
	case "fail":
		x.fail(arg(0), int32(number64(t, arg(1))), arg(2))
	case "login-result":
		ticket, r := x.invoked(arg(0))
		x.finish(ticket, &MethodResult{Method: r.Method, PB: x.authorization(alice)}, nil)
	case "bound":
		ticket, _ := find[*BindTempKey](x, nil)
		x.finish(ticket, nil, d.refusal(t, td))
	case "dropped":
		ticket, _ := find[*DropTempKeys](x, nil)
		x.finish(ticket, &KeysGone{}, nil)
	case "destroyed":
		ticket, _ := find[*DestroyKey](x, nil)
		x.finish(ticket, &KeysGone{Existed: true}, nil)
	case "salts":
		ticket, _ := find[*GetSalts](x, nil)
		if e := d.refusal(t, td); e != nil {
			x.finish(ticket, nil, e)
		} else {
			x.finish(ticket, &Salts{Salts: saltList(x.now)}, nil)
		}
	case "result":
		m := d.named[arg(0)]
		body := nearestDC("NL")
		if len(td.CmdArgs) > 1 {
			body = wire.AppendError(nil, int32(number64(t, arg(1))), arg(2))
		}
		x.step(&PushRPCResult{SessionID: 1, ReqMsgID: m.ID, RPCResult: append(wire.AppendResult(nil, m.ID), body...)})
	case "advance":
		after, err := time.ParseDuration(arg(0))
		require.NoError(t, err)
		x.advance(after)
	case "push":
		updates := x.updates(int(number64(t, arg(0))))
		if size := 0; td.HasArg("size") {
			td.ScanArgs(t, "size", &size)
			updates = x.largeUpdates(size)
		}
		x.step(&PushUpdates{Updates: updates, Notification: td.HasArg("notify")})
	case "session-push":
		x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: number64(t, arg(0)), Updates: x.updates(int(number64(t, arg(1))))})
	case "closed":
		x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: number64(t, arg(0))})
	case "send-failed":
		x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: number64(t, arg(0))})
	case "revoked":
		x.step(&Revoked{})
	case "drain":
		x.step(&Drain{})
	default:
		t.Fatalf("%s: unknown command %s", td.Pos, td.Cmd)
	}
	return d.effects(t)
}

// wrapper begins anew: wrapper [unbound] [state=N] [salts=manual].
func (d *dialogue) wrapper(t *testing.T, td *datadriven.TestData) {
	*d = dialogue{x: newWorld(t, td.HasArg("unbound")), named: map[string]wire.Message{}, names: map[msgKey]string{}}
	for _, a := range td.CmdArgs {
		switch a.Key {
		case "state":
			d.x.state.State = State(number64(t, a.Vals[0]))
		case "salts":
			d.x.salts = false
		case "outbox":
			d.x.cfg.OutboxMessages = int(number64(t, a.Vals[0]))
		}
	}
}

// packet sends its lines, in a container when there are several or it says so.
func (d *dialogue) packet(t *testing.T, td *datadriven.TestData) {
	sid := int64(1)
	td.MaybeScanArgs(t, "from", &sid)
	d.sid = sid
	var members []wire.Message
	for _, line := range strings.Split(strings.TrimSpace(td.Input), "\n") {
		if strings.TrimSpace(line) != "" {
			members = append(members, d.message(t, sid, line))
		}
	}
	m := wire.Message{}
	if len(members) == 1 && !td.HasArg("container") {
		m = members[0]
	} else {
		m = d.x.container(sid, members...)
		if name := value(td, "container"); name != "" {
			if old, ok := d.named[name]; ok {
				m.ID = old.ID
			}
			d.name(name, m)
		}
	}
	d.x.step(d.data(t, td, m))
}

// data makes the packet of a message: [from=N] [via=gw1] [new] [salt=N] [key=temp|media] [http=SLOT].
func (d *dialogue) data(t *testing.T, td *datadriven.TestData, m wire.Message) *Data {
	sid := int64(1)
	td.MaybeScanArgs(t, "from", &sid)
	data := d.x.data(sid, m)
	td.MaybeScanArgs(t, "via", &data.ServerID)
	td.MaybeScanArgs(t, "salt", &data.Salt)
	data.NewConn = td.HasArg("new")
	if td.HasArg("http") {
		var slot uint64
		td.ScanArgs(t, "http", &slot)
		data.ServerID, data.HTTP, data.HTTPUntil = "", Slot(slot), d.x.now+int64(7*time.Second)
	}
	key := ""
	switch td.MaybeScanArgs(t, "key", &key); key {
	case "temp":
		data.AuthKeyID, data.KeyType = tempKey, TempKey
	case "media":
		data.AuthKeyID, data.KeyType = mediaKey, MediaTempKey
	}
	return data
}

// value is that of an argument; empty when it has none.
func value(td *datadriven.TestData, key string) string {
	for _, a := range td.CmdArgs {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

func (d *dialogue) name(name string, m wire.Message) {
	d.named[name], d.names[msgKey{d.sid, m.ID}] = m, name
}

// message reads "name: [wrapper=value ...] constructor [argument ...] [age=duration] [off=N] [seq=N]".
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
			wrap = append(wrap, tlInit)
		case "quiet":
			wrap = append(wrap, tlQuiet)
		case "after":
			id := d.id(t, value)
			wrap = append(wrap, func(q []byte) []byte { return tlAfter(id, q) })
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
	for key, n := range d.names {
		if n == name && key.sid == d.sid {
			return key.id
		}
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
		return wire.AppendBytes(tlLongs(wire.IDMsgsAllInfo, arg(0)), []byte{byte(arg(1))})
	case "http_wait":
		return tlHTTPWait(int32(arg(0)), int32(arg(1)), int32(arg(2)))
	case "msg_container":
		return wire.AppendContainer(nil, 0)
	case "msg_copy":
		m := d.named[args[0]]
		return append(wire.AppendMessageHeader(tlID(wire.IDMsgCopy), m.ID, m.Seq, len(m.Body)), m.Body...)
	case "raw":
		b, err := hex.DecodeString(args[0])
		require.NoError(t, err)
		return b
	case "auth.bindTempAuthKey":
		return tlBind(permKey)
	case "auth.dropTempAuthKeys":
		return tlLongs(wire.IDDropTempAuthKeys)
	case "auth.signIn":
		return d.x.method(what, int32(1), "1", "2", "3")
	}
	return d.x.method(what)
}

// object is what a BFF answers: [size=N] for a large one that does not shrink.
func (d *dialogue) object(t *testing.T, method string, td *datadriven.TestData) []byte {
	switch method {
	case "updates.getState":
		return updatesState()
	case "auth.logOut":
		return tlInt(tlID(0xc3a2835f), 0)
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
	return nearestDC(country)
}

func (d *dialogue) refusal(t *testing.T, td *datadriven.TestData) *RPCError {
	if len(td.CmdArgs) < 2 {
		return nil
	}
	return &RPCError{int32(number64(t, td.CmdArgs[0].Key)), td.CmdArgs[1].Key}
}

func number64(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 0, 64)
	require.NoError(t, err, s)
	return n
}

// effects prints what the wrapper did since the last time.
func (d *dialogue) effects(t *testing.T) string {
	var b strings.Builder
	x := d.x
	for ; d.seen < len(x.calls); d.seen++ {
		if text := describeCall(x.calls[d.seen], x); text != "" {
			fmt.Fprintln(&b, text)
		}
	}
	for _, s := range x.sends {
		fmt.Fprintf(&b, "%s <- %d: %s\n", s.ServerID, s.SessionID, d.packetText(t, s))
	}
	for _, r := range x.replies {
		text := "nothing"
		if len(r.Payload) > 0 {
			sid := wire.NewReader(r.Payload[8:])
			text = d.packetText(t, Send{SessionID: sid.Long(), Payload: r.Payload})
		}
		fmt.Fprintf(&b, "http %d <- %s\n", r.Slot, text)
	}
	x.sends, x.replies = nil, nil
	if x.adopted != nil {
		fmt.Fprintf(&b, "handover to %d\n", x.adopted.To)
		x.adopted = nil
	}
	switch {
	case x.out.Done:
		fmt.Fprintln(&b, "done")
	case x.out.Drained:
		fmt.Fprintln(&b, "drained")
	case b.Len() == 0:
		fmt.Fprintln(&b, "silence")
	}
	return b.String()
}

func describeCall(r Request, x *world) string {
	switch r := r.(type) {
	case *GetSalts:
		if x.salts {
			return ""
		}
		return "call GetSalts"
	case *GetAuthState:
		return ""
	case *InvokeMethod:
		return fmt.Sprintf("call %s user=%d layer=%d", r.Method.Name, r.Meta.UserID, r.Meta.Layer)
	case *BindTempKey:
		return fmt.Sprintf("call BindTempKey %d to %d in session %d", r.Meta.AuthKeyID, r.PermAuthKeyID, r.Meta.SessionID)
	case *SetOnline:
		return fmt.Sprintf("call SetOnline %d", r.UserID)
	case *SetOffline:
		return fmt.Sprintf("call SetOffline %d", r.UserID)
	case *SetLayer:
		return fmt.Sprintf("call SetLayer %d", r.Layer)
	case *SetInitConnection:
		return fmt.Sprintf("call SetInitConnection %s %s", r.Client.LangPack, r.Client.AppVersion)
	case *SetPasswordPending:
		return fmt.Sprintf("call SetPasswordPending %v", r.Pending)
	}
	return strings.TrimPrefix(fmt.Sprintf("call %T", r), "call *sess.")
}

// packetText prints a packet; its salt only when it is not the current one.
func (d *dialogue) packetText(t *testing.T, s Send) string {
	msgs := parsePacket(t, s)
	d.sid = s.SessionID
	var parts []string
	for _, m := range msgs {
		parts = append(parts, d.messageText(m))
	}
	text := strings.Join(parts, ", ")
	switch {
	case msgs[0].constructor == wire.IDMsgContainer:
		text = "{}"
	case msgs[0].inside:
		text = "{" + text + "}"
	}
	if msgs[0].salt != d.x.currentSalt() {
		text += fmt.Sprintf(" salt=%d", msgs[0].salt)
	}
	return text
}

func (d *dialogue) messageText(m sent) string {
	key := msgKey{m.SessionID, m.ID}
	name, ok := d.names[key]
	if !ok {
		d.ours++
		name = fmt.Sprintf("s%d", d.ours)
		d.names[key] = name
	}
	return fmt.Sprintf("%s/%d=%s", name, m.Seq, d.objectText(m.Body))
}

// of prints an id by its name.
func (d *dialogue) of(id int64) string {
	if name, ok := d.names[msgKey{d.sid, id}]; ok {
		return name
	}
	return strconv.FormatInt(id, 10)
}
