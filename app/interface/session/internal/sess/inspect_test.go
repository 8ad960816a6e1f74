package sess

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Who watches is told of each session that ends, once, and why.
func TestWhyASessionEnds(t *testing.T) {
	const gw = "gw1"
	closed := &ConnClosed{ServerID: gw, AuthKeyID: permKey, SessionID: 1}
	failed := &SendFailed{ServerID: gw, AuthKeyID: permKey, SessionID: 1}
	long := 75*time.Second + 180*time.Second + time.Second // IdleOffline and IdleClose
	for name, c := range map[string]struct {
		change func(*Config)
		end    func(x *world)
		want   EndReason
		of     int64 // session that ends; 0: 1
	}{
		"its client is silent":        {end: func(x *world) { x.advance(long) }, want: EndIdle},
		"its gateway closes it":       {end: func(x *world) { x.step(closed); x.advance(long) }, want: EndClosed},
		"its gateway is dead":         {end: func(x *world) { x.step(failed); x.advance(long) }, want: EndDeadGateway},
		"its login is ended":          {end: func(x *world) { x.step(&Revoked{}) }, want: EndRevoked},
		"another client comes":        {change: func(c *Config) { c.MaxSessions = 1 }, end: func(x *world) { x.recv(2, tlPing(1)) }, want: EndLimit},
		"its client destroys it":      {end: func(x *world) { x.recv(2, tlPing(1)); x.recv(1, tlLong(tlID(wire.IDDestroySession), 2)) }, want: EndDestroyed, of: 2},
		"another node takes the key":  {end: func(x *world) { x.step(&HandOff{}) }, want: EndMoved},
		"it came back, and is silent": {end: func(x *world) { x.step(closed); x.recv(1, tlPing(1)); x.advance(long) }, want: EndIdle},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*Config)
			if c.change != nil {
				change = append(change, c.change)
			}
			x := newWorld(t, false, change...)
			x.login(1)
			x.ackAll(1)
			require.Equal(t, gw, x.w.mainAuth.sessions[0].server)
			c.end(x)
			require.NotEmpty(t, x.ended)
			end := x.ended[0]
			id := max(c.of, 1)
			require.Equal(t, []any{id, c.want, gw, int64(permKey)}, []any{end.SessionID, end.Reason, end.Gateway, end.AuthKeyID}, "%v", end.Reason)
			ends := 0
			for _, e := range x.ended {
				if e.SessionID == id {
					ends++
				}
			}
			require.Equal(t, 1, ends)
		})
	}
}

// A description says how much there is, and nothing that is secret or somebody's words.
func TestDescriptionsHoldNoSecret(t *testing.T) {
	x := newWorld(t, false)
	x.login(1)
	m := x.recv(1, x.method("auth.signIn", int32(1), "5550001234", "hash-of-code", "12345"))
	x.step(&PushUpdates{Updates: x.updates(7)})
	d := x.w.Describe(x.now, x.now)
	require.Equal(t, "logged_in", d.State)
	require.EqualValues(t, alice, d.UserID)
	require.Len(t, d.TransportKeys, 1)
	require.Equal(t, "perm", d.TransportKeys[0].Kind)
	require.NotZero(t, d.TransportKeys[0].Salts)
	s := d.TransportKeys[0].Sessions[0]
	require.Equal(t, []any{int64(1), true, "gw1"}, []any{s.ID, s.Online, s.Gateway})
	require.Equal(t, m.ID, s.Window.Last)
	require.Positive(t, s.Outbox.Bytes)
	require.Equal(t, s.Outbox.Bytes, d.OutboxBytes)
	require.Equal(t, x.out.Held, d.OutboxBytes, "what is put down beside the machine")
	require.Equal(t, 1, d.Calls.AtBFF)
	require.Equal(t, []any{"auth.signIn", "at_bff", m.ID}, []any{d.Calls.List[0].Method, d.Calls.List[0].Phase, d.Calls.List[0].MsgID})
	text, err := json.Marshal(d)
	require.NoError(t, err)
	for _, secret := range []string{"5550001234", "hash-of-code", "12345\"", strconv.FormatInt(x.currentSalt(), 10)} {
		require.NotContains(t, string(text), secret)
	}
	require.Contains(t, string(text), `"session_id":"1"`, "as strings: readers of JSON round")
}
