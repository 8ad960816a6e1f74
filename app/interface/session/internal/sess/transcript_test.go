package sess

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// TestTranscripts plays the dialogues in testdata/transcripts; testdata/README.md
// explains their language. Run with -rewrite after a change, and read the
// difference. Ids of messages are checked throughout (rules BAD-3, CONT-3 and MSGID-2).
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
	lives map[int64]string        // unique ids of sessions
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
	case "draft": // not sent
		d.sid = 1
		for _, line := range strings.Split(strings.TrimSpace(td.Input), "\n") {
			d.message(t, 1, line)
		}
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
		gone := &KeysGone{Existed: true}
		for i := range td.CmdArgs {
			gone.Keys = append(gone.Keys, number64(t, arg(i)))
		}
		x.finish(ticket, gone, nil)
	case "destroyed":
		ticket, _ := find[*DestroyKey](x, nil)
		if e := d.refusal(t, td); e != nil {
			x.finish(ticket, nil, e)
		} else {
			x.finish(ticket, &KeysGone{Existed: !td.HasArg("none")}, nil)
		}
	case "salts":
		ticket, _ := find[*GetSalts](x, nil)
		if e := d.refusal(t, td); e != nil {
			x.finish(ticket, nil, e)
		} else {
			count, ahead := int32(8), 0
			td.MaybeScanArgs(t, "count", &count)
			td.MaybeScanArgs(t, "ahead", &ahead) // hours that authsession's clock is ahead
			x.finish(ticket, &Salts{Salts: saltList(x.now+int64(time.Duration(ahead)*time.Hour), count)}, nil)
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
		switch size := 0; {
		case td.HasArg("size"):
			td.ScanArgs(t, "size", &size)
			updates = x.phoneUpdate(incompressible(size))
		case td.HasArg("zeros"):
			td.ScanArgs(t, "zeros", &size)
			updates = x.phoneUpdate(string(make([]byte, size)))
		case td.HasArg("status"):
			updates = x.statusUpdate()
		}
		x.step(&PushUpdates{Updates: updates})
	case "session-push":
		x.step(&PushSessionUpdates{AuthKeyID: permKey, SessionID: number64(t, arg(0)), Updates: x.updates(int(number64(t, arg(1))))})
	case "closed":
		x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: number64(t, arg(0))})
	case "revoked":
		x.step(&Revoked{})
	case "drain":
		x.step(&Drain{})
	default:
		t.Fatalf("%s: unknown command %s", td.Pos, td.Cmd)
	}
	return d.effects(t)
}

// wrapper begins anew.
func (d *dialogue) wrapper(t *testing.T, td *datadriven.TestData) {
	*d = dialogue{x: newWorld(t, td.HasArg("unbound")), named: map[string]wire.Message{}, names: map[msgKey]string{}, lives: map[int64]string{}}
	for _, a := range td.CmdArgs {
		switch a.Key {
		case "state":
			d.x.state.State = State(number64(t, a.Vals[0]))
		case "salts":
			d.x.salts = a.Vals[0] != "manual"
		case "outbox":
			d.x.cfg.OutboxMessages = int(number64(t, a.Vals[0]))
		case "window":
			d.x.cfg.Window = int(number64(t, a.Vals[0]))
		}
	}
	known := map[msgKey]bool{}
	d.x.watch = func(s Send) { // a new id is of its time: clients set their clocks by it
		for _, m := range parsePacket(t, s) {
			for _, id := range [...]int64{m.ID, m.outer} {
				if key := (msgKey{s.SessionID, id}); !known[key] {
					known[key] = true
					require.InDelta(t, d.x.now, timeOf(id), float64(time.Millisecond))
				}
			}
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
		td.MaybeScanArgs(t, "seq", &m.Seq)
		if name := value(td, "container"); name != "" {
			if old, ok := d.named[name]; ok {
				m.ID = old.ID
			}
			d.name(name, m)
		}
	}
	d.x.step(d.data(t, td, m))
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

func (d *dialogue) refusal(t *testing.T, td *datadriven.TestData) *RPCError {
	if len(td.CmdArgs) < 2 {
		return nil
	}
	return &RPCError{Code: int32(number64(t, td.CmdArgs[0].Key)), Message: td.CmdArgs[1].Key}
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
		if text := d.callText(x.calls[d.seen]); text != "" {
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

func (d *dialogue) callText(r Request) string {
	of := func(m *Meta) string { return d.names[msgKey{m.SessionID, m.MsgID}] }
	switch r := r.(type) {
	case *GetSalts:
		if d.x.salts {
			return ""
		}
		return fmt.Sprintf("call GetSalts %d", r.AuthKeyID)
	case *GetAuthState:
		return ""
	case *InvokeMethod:
		return fmt.Sprintf("call %s of %s user=%d layer=%d", r.Method.Name, of(&r.Meta), r.Meta.UserID, r.Meta.Layer)
	case *BindTempKey:
		return fmt.Sprintf("call BindTempKey %d to %d until %d by %s of session %d",
			r.Meta.AuthKeyID, r.PermAuthKeyID, r.ExpiresAt, of(&r.Meta), r.Meta.SessionID)
	case *DropTempKeys:
		return fmt.Sprintf("call DropTempKeys of %d but %v", r.PermAuthKeyID, r.Except)
	case *DestroyKey:
		return fmt.Sprintf("call DestroyKey %d", r.AuthKeyID)
	case *SetOnline:
		return fmt.Sprintf("call SetOnline %d", r.UserID)
	case *SetOffline:
		return fmt.Sprintf("call SetOffline %d", r.UserID)
	case *SetLayer:
		return fmt.Sprintf("call SetLayer %d of %d", r.Layer, r.AuthKeyID)
	case *SetInitConnection:
		return fmt.Sprintf("call SetInitConnection %s %s of %d", r.Client.LangPack, r.Client.AppVersion, r.AuthKeyID)
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
		parts = append(parts, d.messageText(t, m))
	}
	text := strings.Join(parts, ", ")
	switch {
	case msgs[0].constructor == wire.IDMsgContainer:
		text = fmt.Sprintf("{}/%d", msgs[0].outerSeq)
	case msgs[0].inside:
		text = fmt.Sprintf("{%s}/%d", text, msgs[0].outerSeq)
	}
	if msgs[0].salt != d.x.currentSalt() {
		text += fmt.Sprintf(" salt=%d", msgs[0].salt)
	}
	return text
}

func (d *dialogue) messageText(t *testing.T, m sent) string {
	if m.inside {
		require.Equal(t, int64(idNotice), m.outer&3)
		require.Greater(t, m.outer, m.ID)
	}
	require.Equal(t, side(m.constructor), m.ID&3, "%08x", m.constructor)
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
