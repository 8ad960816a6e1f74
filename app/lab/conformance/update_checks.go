package conformance

import (
	"fmt"
	"time"

	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// newMessage is a message of the user's to themselves, unlike all others.
func (s *session) newMessage() *tg.MessagesSendMessageRequest {
	id := wire.RandomLong()
	return &tg.MessagesSendMessageRequest{
		Peer: &tg.InputPeerSelf{}, Message: fmt.Sprintf("conformance %s %016x", time.Now().Format(time.RFC3339Nano), uint64(id)), RandomID: id,
	}
}

// sendToSelf makes an update for the user's other devices.
func (s *session) sendToSelf() { s.result(s.call(initialised(s.newMessage()))) }

func isUpdates(m wire.Message) bool {
	switch m.Type() {
	case tg.UpdatesTypeID, tg.UpdatesCombinedTypeID, tg.UpdateShortTypeID, tg.UpdateShortMessageTypeID, tg.UpdatesTooLongTypeID:
		return true
	}
	return false
}

var updateChecks = []check{
	{rules: "UPD-1 UPD-2 UPD-3", title: "a message of the user's to themselves", run: func(p *probe) {
		receiver, sender := p.sessionOf(p.user()), p.sessionOf(p.user())
		receiver.result(receiver.call(initialised(personal)))
		sender.sendToSelf()
		m := receiver.await("an Updates object", isUpdates)
		p.check(m.ID&3 == 3 && m.Seq&1 == 1, "id mod 4 = 3 and an odd seqno", "%d and %d", m.ID&3, m.Seq)
	}},
	{rules: "UPD-4 SESS-11", title: "an update that is not acknowledged, on a new connection", run: func(p *probe) {
		receiver, sender := p.sessionOf(p.user()), p.sessionOf(p.user())
		receiver.result(receiver.call(initialised(personal)))
		sender.sendToSelf()
		m := receiver.await("an Updates object", isUpdates)
		receiver.returned("the update under its id", func(a wire.Message) bool { return a.ID == m.ID && a.Seq == m.Seq })
	}},
	{rules: "UPD-8 INIT-7", title: "a session that asked for no updates", run: func(p *probe) {
		device := p.user()
		quiet, receiver, sender := p.sessionOf(device), p.sessionOf(device), p.sessionOf(p.user())
		quiet.result(quiet.call(&tg.InvokeWithLayerRequest{Layer: tg.Layer, Query: initConnection(&tg.InvokeWithoutUpdatesRequest{Query: personal})}))
		receiver.result(receiver.call(initialised(personal)))
		sender.sendToSelf()
		receiver.await("an Updates object", isUpdates)
		if _, ok := quiet.within(silence, isUpdates); ok {
			p.fail("no updates", "some")
		}
	}},
	{rules: "PFS-21", title: "auth.dropTempAuthKeys but one", run: func(p *probe) {
		perm := p.user()
		kept, dropped := p.sessionOf(p.newKey(day)), p.sessionOf(p.newKeyOf(-p.target.DC, day))
		for _, s := range []*session{kept, dropped} {
			s.isTrue(s.bind(perm, nil))
			s.result(s.call(initialised(nearestDC)))
		}
		kept.isTrue(kept.call(&tg.AuthDropTempAuthKeysRequest{ExceptAuthKeys: []int64{kept.Key.IntID()}}))
		kept.result(kept.call(initialised(personal)))
		dropped.dead(dropped.call(initialised(personal)))
	}},
}
