package sim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// A client acknowledges a message that is announced instead of repeated when it
// has it, and asks for it when it has not (rules STATE-8 and STATE-9).
func TestAnnouncements(t *testing.T) {
	c := newCluster(1, schemaOf(t), Options{})
	defer c.end()
	s := newSession(c.clients[0])
	hear := func(id int64, body []byte) {
		b := wire.AppendPacketHeader(nil, 0, s.id, id, 0, len(body))
		s.receive(append(b, body...))
	}
	announce := func(id int64) []byte {
		return appendInt(appendInt(appendLong(appendID(nil, wire.IDMsgNewDetailedInfo), id), 40000), 0)
	}
	now := idAt(c.now)
	s.got[now+3] = 1
	hear(now+7, announce(now+3))
	require.Equal(t, []int64{now + 3}, s.acks)
	require.Empty(t, s.asked)

	hear(now+11, announce(now-1))
	require.Len(t, s.asked, 1)
	for _, ids := range s.asked {
		require.Equal(t, []int64{now - 1}, ids)
	}
	hear(now+15, append(appendLong(appendID(nil, wire.IDMsgDetailedInfo), 4), announce(now - 5)[4:]...))
	require.Len(t, s.asked, 2)
	require.Nil(t, c.watch.failure)
}
