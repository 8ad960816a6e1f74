package sess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/buffers"
)

// Pushes that a client does not fetch collapse into updatesTooLong; answers
// stay (rule UPD-5).
func TestOutboxOverflow(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"by count": func(c *Config) { c.OutboxMessages = 20 },
		"by bytes": func(c *Config) { c.OutboxBytes = 1 << 10; c.OutboxMessages = 400 },
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false, change)
			x.login(1)
			call := x.recv(1, x.method("help.getNearestDc"))
			x.take()
			x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
			x.answer("help.getNearestDc", nearestDC("NL"))
			for i := range 200 {
				x.step(&PushUpdates{Updates: x.updates(i)})
			}
			s := x.w.mainAuth.find(1)
			require.LessOrEqual(t, len(s.queue)+len(s.sent), x.cfg.OutboxMessages)
			require.LessOrEqual(t, s.bytes, x.cfg.OutboxBytes)
			d := x.data(1, x.msg(1, tlPing(1)))
			d.NewConn = true
			x.step(d)
			msgs := x.take()
			_, ok := result(msgs, call.ID)
			require.True(t, ok)
			dates := pushed(msgs)
			require.Contains(t, dates, -1)
			require.Equal(t, 199, dates[len(dates)-1], "what came last is there")
			n := 0
			for _, d := range dates {
				if d == -1 {
					n++
				}
			}
			require.Equal(t, 1, n)
		})
	}
}

// Sixteen files of half a megabyte that were sent and not acknowledged were one
// packet that no gateway took, for ever.
func TestLargeAnswersAreRepeatedInPacketsThatFit(t *testing.T) {
	x := newWorld(t, false)
	var calls []wire.Message
	for range 16 {
		calls = append(calls, x.recv(1, x.method("help.getNearestDc")))
		x.answer("help.getNearestDc", nearestDC(incompressible(512<<10)))
	}
	var ids []int64
	for _, m := range x.takeOnly(wire.IDRPCResult) {
		ids = append(ids, m.ID)
	}
	x.recv(1, tlLongs(wire.IDMsgResendReq, ids...))
	x.advance(8 * time.Second) // RepeatBytes are half of them
	for _, s := range x.sends {
		require.LessOrEqual(t, s.Len(), x.cfg.PayloadBytes)
	}
	msgs := x.take()
	for _, m := range calls {
		_, ok := result(msgs, m.ID)
		require.True(t, ok)
	}
	require.Zero(t, x.counts[CountAnswersLost])
}

// A client that never acknowledges does not get everything for ever; what was
// forgotten is said to be when it is asked for.
func TestAnswersAreForgottenAtLast(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.OutboxMessages = 10 })
	first := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	for range 20 {
		x.recv(1, x.method("help.getNearestDc"))
		x.answer("help.getNearestDc", nearestDC("NL"))
	}
	require.LessOrEqual(t, len(x.w.mainAuth.find(1).sent), 10)
	x.take()
	x.step(x.data(1, first))
	require.Equal(t, "500 ANSWER_FORGOTTEN", x.rpcError(x.take(), first.ID))
	x.step(x.data(1, first))
	require.Equal(t, "500 ANSWER_FORGOTTEN", x.rpcError(x.take(), first.ID))
}

// A client that downloads in the session that takes updates, and acknowledges
// now and then, as gotd does, gets its updates themselves.
func TestLargeAnswersLeaveUpdatesAlone(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	for range 8 {
		x.recv(1, x.method("help.getNearestDc"))
		x.answer("help.getNearestDc", nearestDC(incompressible(512<<10)))
	}
	x.take()
	for i := range 3 {
		x.step(&PushUpdates{Updates: x.updates(i)})
	}
	require.Equal(t, []int{0, 1, 2}, pushed(x.take()))
	require.Zero(t, x.counts[CountPushesLost])
}

// Large answers that find no way to the client become errors, and many messages
// are not kept for requests over HTTP that nobody waits for.
func TestUnsentAnswersAreBounded(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	var calls []wire.Message
	for range 64 {
		calls = append(calls, x.recv(1, x.method("help.getNearestDc")))
	}
	x.take()
	x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
	for range calls {
		x.answer("help.getNearestDc", nearestDC(incompressible(1<<20)))
	}
	s := x.w.mainAuth.find(1)
	require.LessOrEqual(t, s.bytes, x.cfg.AnswerBytes)
	x.recv(1, tlPing(2))
	msgs := x.take()
	for i, m := range calls {
		_, ok := result(msgs, m.ID)
		require.True(t, ok, "something is said to each")
		require.Equal(t, i < 53, x.rpcError(msgs, m.ID) == "500 ANSWER_FORGOTTEN", "the newest are kept: %d", i)
	}
	require.Equal(t, 53, x.counts[CountAnswersLost])
	check(t, x)

	x = newWorld(t, false)
	wait := tlHTTPWait(60_000, 60_000, 60_000)
	for slot := range Slot(10) {
		ms := []wire.Message{x.msg(1, wait)}
		for range 1000 {
			ms = append(ms, x.msg(1, tlPing(1)))
		}
		x.post(slot+1, 1, x.container(1, ms...), 7*time.Second)
		x.step(&HTTPGone{Slot: slot + 1})
	}
	s = x.w.mainAuth.find(1)
	require.LessOrEqual(t, len(s.queue), x.cfg.OutboxMessages+x.cfg.ContainerIn)
	x.post(11, 1, x.msg(1, tlPing(7)), 7*time.Second)
	msgs, _ = x.takeReply(11)
	require.EqualValues(t, wire.IDNewSessionCreated, msgs[0].constructor)
	check(t, x)
}

// STATE-6, MSGID-8: what the client may lack goes out again in a container. What
// is larger than clients take there goes alone, while its id is young (rule
// ENC-8).
func TestRepetitionsAreInContainers(t *testing.T) {
	x := newWorld(t, false, func(c *Config) { c.ResendLimit = 16 })
	x.recv(1, tlPing(1))
	x.ackAll(1)
	again := func(size int) sent {
		m := x.recv(1, x.method("help.getNearestDc"))
		x.answer("help.getNearestDc", nearestDC(incompressible(size)))
		first := x.take()
		require.Len(t, first, 1)
		require.False(t, first[0].inside)
		x.recv(1, tlLongs(wire.IDMsgResendReq, first[0].ID))
		msgs := x.take()
		require.Len(t, msgs, 1)
		require.Equal(t, first[0].Message, msgs[0].Message)
		_, ok := result(msgs, m.ID)
		require.True(t, ok)
		return msgs[0]
	}
	require.True(t, again(10).inside)
	require.True(t, again(1<<19).inside)
	large := again(2 << 20)
	require.False(t, large.inside)
	for range 6 {
		x.advance(50 * time.Second)
		x.recv(1, tlPing(1))
	}
	x.take()
	x.recv(1, tlLongs(wire.IDMsgResendReq, large.ID))
	msgs := x.take()
	require.True(t, msgs[0].inside)
}

// ACK-8: on a live connection repetitions are late, rare and few.
func TestRepetitions(t *testing.T) {
	x := newWorld(t, false)
	x.recv(1, tlPing(1))
	x.take()
	var at []time.Duration
	for s := range 7200 {
		if s%60 == 30 {
			x.recv(1, tlPing(int64(s)))
		}
		x.advance(time.Second)
		if len(x.takeOnly(wire.IDNewSessionCreated)) > 0 {
			at = append(at, time.Duration(s+1)*time.Second)
		}
	}
	require.Equal(t, []time.Duration{60, 180}, scale(at, time.Second))
}

func scale(ds []time.Duration, unit time.Duration) (out []time.Duration) {
	for _, d := range ds {
		out = append(out, d/unit)
	}
	return out
}

// ENC-8, CONT-2: packets keep within their limits, and lose nothing.
func TestPacketLimits(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newWorld(t, false, func(c *Config) {
			c.ContainerOut = rapid.IntRange(2, 6).Draw(r, "members")
			c.ContainerBytes = rapid.IntRange(1<<10, 1<<12).Draw(r, "bytes")
			c.PayloadBytes = 1 << 15
			c.OutboxBytes = 1 << 20
		})
		x.recv(1, tlPing(1))
		x.take()
		sizes := rapid.SliceOfN(rapid.IntRange(1, 6000), 1, 40).Draw(r, "sizes")
		x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
		s := x.w.mainAuth.find(1)
		x.w.now, x.w.out = x.now, &x.out
		for i, n := range sizes {
			x.w.enqueue(s, outMsg{kind: outAnswer, req: int64(i + 1), body: make([]byte, (n+3)&^3)})
		}
		x.recv(1, tlPing(2))
		total := 0
		for _, p := range x.sends {
			msgs := parsePacket(t, p)
			require.LessOrEqual(t, len(msgs), x.cfg.ContainerOut)
			if len(msgs) > 1 {
				require.LessOrEqual(t, p.Len(), x.cfg.ContainerBytes+wire.PacketHeader)
			}
			for _, m := range msgs {
				if m.constructor == 0 {
					total++
				}
			}
		}
		require.Equal(t, len(sizes), total)
	})
}

// MSGID-2, SEQ-1, SEQ-5, SEQ-6: whatever happens, ids grow, say whom they
// answer, and seqnos count content-related messages; a repeated message keeps
// both.
func TestIDsAndSeqnos(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newWorld(t, false)
		known := map[int64]wire.Message{}
		last, content := int64(0), int32(0)
		var unacked []int64
		check := func() {
			for _, p := range x.sends {
				msgs := parsePacket(t, p)
				for _, m := range msgs {
					require.Equal(t, int64(1), m.ID&1)
					if old, ok := known[m.ID]; ok {
						require.Equal(t, old, m.Message)
						continue
					}
					require.Greater(t, m.ID, last)
					last = m.ID
					require.InDelta(t, float64(x.now), float64(timeOf(last)), float64(71*time.Second))
					switch m.constructor {
					case wire.IDRPCResult, idUpdateShort, wire.IDUpdatesTooLong, wire.IDNewSessionCreated:
						content++
						require.Equal(t, 2*content-1, m.Seq)
						unacked = append(unacked, last)
					default:
						require.Equal(t, 2*content, m.Seq)
					}
					if m.constructor == wire.IDRPCResult || m.constructor == wire.IDPong {
						require.EqualValues(t, 1, last&3)
					}
					known[last] = m.Message
				}
				if outer := msgs[0].outer; outer != msgs[0].ID {
					require.Greater(t, outer, last, "a container is younger than its members")
					last = outer
					require.Equal(t, 2*content, seqOf(p))
				}
			}
			x.sends = nil
		}
		x.recv(1, x.method("updates.getState"))
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			switch rapid.IntRange(0, 7).Draw(r, "what") {
			case 0:
				x.recv(1, tlPing(1))
			case 1:
				x.recv(1, x.method("help.getNearestDc"))
			case 2:
				if x.isInvoked("help.getNearestDc") {
					x.answer("help.getNearestDc", nearestDC("NL"))
				}
			case 3:
				x.step(&PushUpdates{Updates: x.updates(7)})
			case 4:
				x.advance(time.Duration(rapid.IntRange(0, 70_000).Draw(r, "ms")) * time.Millisecond)
			case 5:
				x.step(&ConnClosed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
			case 6:
				d := x.data(1, x.msg(1, tlPing(1)))
				d.NewConn = true
				x.step(d)
			case 7:
				if len(unacked) > 0 {
					i := rapid.IntRange(0, len(unacked)-1).Draw(r, "ack")
					x.recv(1, tlAck(unacked[i]))
				}
			}
			check()
		}
	})
}

func seqOf(s Send) int32 {
	r := wire.NewReader(s.Payload[24:])
	return r.Int()
}

// An acknowledged message is never sent again, an unacknowledged one is until
// the session ends (rule ACK-7).
func TestDeliveredUntilAcknowledged(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x := newWorld(t, false)
		x.recv(1, tlPing(1))
		calls := map[int64]bool{} // by request: answered and seen by the client
		acked := map[int64]bool{} // server ids
		see := func() {
			var acks []int64
			for _, m := range x.take() {
				require.False(t, acked[m.ID], "sent after its acknowledgment")
				if m.constructor == wire.IDRPCResult && rapid.Bool().Draw(r, "arrives") {
					b := wire.NewReader(m.Body[4:])
					calls[b.Long()] = true
					acks = append(acks, m.ID)
				}
			}
			for _, id := range acks {
				acked[id] = true
			}
			x.recv(1, tlAck(acks...))
		}
		for range rapid.IntRange(1, 20).Draw(r, "calls") {
			m := x.recv(1, x.method("help.getNearestDc"))
			calls[m.ID] = false
			if rapid.Bool().Draw(r, "cut") {
				x.step(&SendFailed{ServerID: "gw1", AuthKeyID: permKey, SessionID: 1})
			}
			x.answer("help.getNearestDc", nearestDC("NL"))
			see()
		}
		for range 200 {
			d := x.data(1, x.msg(1, tlPing(1)))
			d.NewConn = true
			x.step(d)
			see()
		}
		for id, seen := range calls {
			require.True(t, seen, id)
		}
		require.LessOrEqual(t, len(x.w.mainAuth.find(1).sent), 1, "the greeting")
	})
}

// GZIP-2: results are packed when that shrinks them, files never.
func TestPacking(t *testing.T) {
	x := newWorld(t, false)
	long := string(make([]byte, 5000))
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC(long))
	body, _ := result(x.take(), m.ID)
	id, _ := wire.PeekID(body)
	require.EqualValues(t, wire.IDGzipPacked, id)
	require.Less(t, len(body), 200)
	in := &incoming{budget: 1 << 20}
	got, err := x.w.inflate(body, in)
	require.NoError(t, err)
	require.Equal(t, nearestDC(long), got)
	require.Equal(t, 1<<20-len(got), in.budget)
	require.NotZero(t, x.counts[CountGzipSaved])

	m = x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	body, _ = result(x.take(), m.ID)
	require.Equal(t, nearestDC("NL"), body)

	// upload.file#096a18d5 type:storage.FileType mtime:int bytes:bytes
	file := wire.AppendBytes(tlInt(append(tlID(0x096a18d5), tlID(0xaa963b05)...), 0), long)
	// inputDocumentFileLocation#bad07584 id:long access_hash:long file_reference:bytes thumb_size:string
	location := wire.AppendBytes(wire.AppendBytes(tlLong(tlLong(tlID(0xbad07584), 1), 1), ""), "")
	m = x.recv(1, x.method("upload.getFile", int32(0), location, int64(0), int32(4096)))
	x.answer("upload.getFile", file)
	body, _ = result(x.take(), m.ID)
	require.Equal(t, file, body)

	// SEQ-3, GZIP-1: a packed call is a call, whatever its parity says of packing.
	x.w.out = &x.out
	packed, _ := x.w.pack(deflaters.New().(*deflater), append(make([]byte, 0, 9000), x.method("auth.signIn", int32(1), long, "2", "3")...), 0, newBytes)
	x.recv(1, packed)
	require.True(t, x.isInvoked("auth.signIn"))
}

// A result that no packet can carry is an error, not a hole.
func TestResultTooLong(t *testing.T) {
	x := newWorld(t, false)
	m := x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC(incompressible(4<<20)))
	require.Equal(t, "500 RESPONSE_TOO_LONG", x.rpcError(x.take(), m.ID))
	require.Equal(t, 1, x.counts[CountEncodeFailed])

	m = x.recv(1, x.method("help.getNearestDc"))
	ticket, r := x.invoked("help.getNearestDc")
	x.finish(ticket, &MethodResult{Method: r.Method, PB: []byte{0xff}}, nil)
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", x.rpcError(x.take(), m.ID))
	require.Len(t, x.faults, 1)

	m = x.recv(1, x.method("help.getNearestDc"))
	ticket, _ = x.invoked("help.getNearestDc")
	x.finish(ticket, nil, nil)
	require.Equal(t, "500 INTERNAL_SERVER_ERROR", x.rpcError(x.take(), m.ID), "a result is owed")
}

// A panic costs the input that it came of. What the outbox holds then, it holds once.
func TestAPanicLeavesNoRoomTwice(t *testing.T) {
	s := &session{}
	var rooms []*buffers.Room
	for range 4 {
		body, room := buffers.NewRoom(buffers.Smallest)
		rooms = append(rooms, room)
		s.queue = append(s.queue, outMsg{body: append(body, "body"...), room: room})
	}
	n := 0
	require.Panics(t, func() {
		s.discard(func(*outMsg) bool {
			if n++; n == 4 {
				panic("a defect")
			}
			return n == 1
		})
	})
	s.discard(func(*outMsg) bool { return true })
	for i, r := range rooms {
		require.Zero(t, r.Holders(), i)
	}
}
