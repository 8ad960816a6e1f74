package conformance

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// clientChecks are about what clients in daily use do, though the documentation
// is silent about it or asks for something else. A server that goes by the text
// alone is none for them.
var clientChecks = []check{
	{rules: "CLIENT-1", title: "service messages with odd seqnos", run: func(p *probe) {
		s := p.session()
		for _, body := range [][]byte{
			acknowledge(wire.RandomLong() | 1), ping(1), httpWait(0, 0, 0),
			encode(&mt.GetFutureSaltsRequest{Num: 1}), encode(&mt.MsgsStateReq{MsgIDs: []int64{4}}),
		} {
			id := s.post(body, true)
			for _, m := range s.fence() {
				p.check(!about(m, id) || m.Type() != mt.BadMsgNotificationTypeID, name(wire.Message{Body: body}.Type())+" to be taken", "%s", describe(m))
			}
		}
	}},
	{rules: "CLIENT-2", title: "a call packed as zlib", run: func(p *probe) {
		s := p.session()
		s.result(s.post(wire.Zlib(encode(initialised(nearestDC))), true))
	}},
	{rules: "CLIENT-3 PFS-22", title: "three temporary keys of one kind, in turns", run: func(p *probe) {
		perm := p.newKey(0)
		var all []*session
		for range 3 {
			s := p.sessionOf(p.newKey(day))
			s.isTrue(s.bind(perm, nil))
			all = append(all, s)
		}
		for range 3 {
			for _, s := range all {
				s.result(s.call(initialised(nearestDC)))
			}
		}
		for _, s := range all {
			p.check(s.count(isCreated) <= 1, "new_session_created once", "%d times", s.count(isCreated))
		}
	}},
	{rules: "CLIENT-3 PFS-22", title: "a slow call under one temporary key while another speaks", slow: true, run: func(p *probe) {
		if p.target.slow == nil {
			p.skip("needs --slow-method")
		}
		if p.target.Phone == "" {
			p.skip("needs --phone and --code")
		}
		perm := p.user()
		a, b := p.sessionOf(p.newKey(day)), p.sessionOf(p.newKey(day))
		for _, s := range []*session{a, b} {
			s.isTrue(s.bind(perm, nil))
			s.result(s.call(initialised(nearestDC)))
		}
		slow := a.callSlowly()
		b.result(b.call(nearestDC))
		a.over(slow)
	}},
	{rules: "CLIENT-4", title: "how long neighbours of future_salts overlap", run: func(p *probe) {
		const gone = 60 // s before its end a salt counts as gone
		_, f := p.session().futureSalts(64)
		for i := 1; i < len(f.Salts); i++ {
			before, next := f.Salts[i-1], f.Salts[i]
			overlap := before.ValidUntil - next.ValidSince
			p.check(overlap > gone, "more than a minute", "%d s", overlap)
		}
	}},
	{rules: "CLIENT-5", title: "an answer while something else is to be acknowledged", run: func(p *probe) {
		s := p.session()
		s.fence()
		s.post(encode(&mt.MsgsAllInfo{MsgIDs: []int64{1}, Info: []byte{1}}), true)
		m := s.resultMessage(s.call(nearestDC))
		p.check(m.Container == 0, "rpc_result by itself", "it in a container")
	}},
	{rules: "CLIENT-6", title: "refused calls between others", run: func(p *probe) {
		s := p.session()
		s.fence()
		wrong, other := s.member(nonsense, true), s.member(nonsense, true)
		s.pack(wrong, s.member(encode(nearestDC), true), other, s.member(ping(2), false))
		refused := map[int64]bool{} // containers
		for _, m := range s.fence() {
			p.check(m.Container == 0 || !refused[m.Container], "nothing behind an rpc_error in its container", "%s", describe(m))
			if m.Type() == mt.RPCResultTypeID && (about(m, wrong.ID) || about(m, other.ID)) {
				refused[m.Container] = true
			}
		}
	}},
	{rules: "CLIENT-7", title: "auth.dropTempAuthKeys without naming the key that carries it", run: func(p *probe) {
		perm := p.newKey(0)
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(perm, nil))
		s.outcome(s.call(initialised(&tg.AuthDropTempAuthKeysRequest{})))
		s.result(s.call(initialised(nearestDC)))
	}},
	{rules: "CLIENT-8", title: "what clients send before they are logged in", run: func(p *probe) {
		s := p.session()
		for _, call := range []named{
			&tg.AuthDropTempAuthKeysRequest{}, &tg.HelpGetDeepLinkInfoRequest{Path: "login"}, &tg.HelpSaveAppLogRequest{},
			&tg.HelpGetCountriesListRequest{LangCode: "en"}, &tg.LangpackGetLangPackRequest{LangPack: "android", LangCode: "en"},
			&tg.HelpGetAppConfigRequest{},
			&tg.PaymentsCanPurchaseStoreRequest{Purpose: &tg.InputStorePaymentAuthCode{PhoneNumber: "1", PhoneCodeHash: "2", Currency: "USD", Amount: 1}},
		} {
			e, refused := asError(s.outcome(s.call(initialised(call))))
			p.check(!refused || e.ErrorCode != 401, "no word of a login to "+call.TypeName(), "rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
		}
	}},
	{rules: "CLIENT-9", title: "a call that was refused as too old, again inside a container", run: func(p *probe) {
		s := p.session()
		old := wire.Member{ID: s.IDAt(-400 * time.Second), Seq: s.NextSeq(true), Body: encode(nearestDC)}
		s.send(wire.Plain{MsgID: old.ID, Seq: old.Seq, Body: old.Body})
		s.bad(old.ID, 16)
		s.pack(old)
		s.result(old.ID)
	}},
	{rules: "CLIENT-10", title: "large answers, not acknowledged, on a new connection", run: func(p *probe) {
		const most = 256 << 10 // of what a client has already, until it closes the connection
		s := p.sessionOf(p.user())
		for range 40 {
			m := s.newMessage()
			m.Message += incompressible(3000)
			s.result(s.call(initialised(m)))
		}
		size := 0
		for size < 2*most {
			m := s.resultMessage(s.call(selfHistory))
			size += len(m.Body)
			if _, refused := asError(m.Body[12:]); refused || len(m.Body) < 4<<10 {
				p.skip("no answer at hand is large")
			}
		}
		s.kept = nil
		s.reconnect()
		s.fence()
		p.wait(silence)
		again := 0
		for _, m := range s.fence() {
			again += len(m.Body)
		}
		p.check(again < most, "less than 256 KiB of it again", "%d bytes", again)
	}},
	{rules: "CLIENT-11", title: "a binding a day beyond the key's life", run: func(p *probe) {
		s := p.sessionOf(p.newKey(day))
		s.isTrue(s.bind(p.perm(), func(b *binding) { b.expires(int(s.Now().Unix()) + 2*day) }))
	}},
	{rules: "CLIENT-12", title: "a device whose login was ended logs in again in the same session", run: func(p *probe) {
		model := fmt.Sprintf("Conformance %016x", uint64(wire.RandomLong()))
		if p.target.Phone == "" {
			p.skip("needs --phone and --code")
		}
		s := p.sessionOf(p.newKey(0))
		s.enter(p.target.Phone, model)
		owner := p.sessionOf(p.user())
		s.result(s.call(personal))
		owner.end(model)
		s.ended()
		s.result(s.call(nearestDC))
		if e, refused := asError(s.enter(p.target.Phone, model)); refused {
			p.fail("auth.authorization", "rpc_error %d %s", e.ErrorCode, e.ErrorMessage)
		}
		s.result(s.call(personal))
	}},
	{rules: "CLIENT-13", title: "a device that only pings, whose login is ended", run: func(p *probe) {
		model := fmt.Sprintf("Conformance %016x", uint64(wire.RandomLong()))
		idle, owner := p.sessionOf(p.userOn(model)), p.sessionOf(p.user())
		idle.result(idle.call(personal))
		idle.fence()
		owner.end(model)
		idle.await("updatesTooLong", func(m wire.Message) bool { return m.Type() == tg.UpdatesTooLongTypeID })
	}},
	{rules: "CLIENT-14", title: "HTTP requests that only acknowledge", run: func(p *probe) {
		s := p.overHTTP(p.perm())
		s.post(acknowledge(wire.RandomLong()|1), false)
		_, took := s.replies()
		p.check(took < p.target.Patience, "a reply at once", "one after %s", took.Round(time.Millisecond))
	}},
}

// named is a call that knows its name.
type named interface {
	bin.Object
	TypeName() string
}

// incompressible is a text of n characters that nothing packs.
func incompressible(n int) string {
	raw := make([]byte, n*3/4)
	_, _ = rand.Read(raw) // never fails
	return base64.StdEncoding.EncodeToString(raw)
}
