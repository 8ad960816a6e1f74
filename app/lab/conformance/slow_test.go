package conformance

import (
	"regexp"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
	"github.com/tgsession/tgsession/app/lab/conformance/wiretest"
)

const slowMethod = "help.getCdnConfig"

func TestEmptyCall(t *testing.T) {
	body, err := emptyCall(slowMethod)
	require.NoError(t, err)
	require.Equal(t, encode(&tg.HelpGetCDNConfigRequest{}), body)
	for _, c := range []struct{ name, method, want string }{
		{"a method that there is not", "help.getSlow", `no method "help.getSlow"`},
		{"a method with arguments", "messages.getHistory", "messages.getHistory needs arguments"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := emptyCall(c.method)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// slowServer answers calls, a slow one among them, rightly or not.
type slowServer struct {
	takes  time.Duration // the slow call
	acks   bool          // it is acknowledged before
	queues bool          // other calls wait for it
	waits  bool          // invokeAfterMsg waits for it as long as it takes
	code   int           // of MSG_WAIT_TIMEOUT

	server
	busy   bool
	queued []func() // until it is over
}

// take serves the messages of a packet.
func (s *slowServer) take(in *crypto.EncryptedMessageData, push func(...crypto.EncryptedMessageData)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	each(in, func(id int64, body []byte) { s.serve(in, id, body, push) })
	return true
}

func (s *slowServer) serve(in *crypto.EncryptedMessageData, id int64, body []byte, push func(...crypto.EncryptedMessageData)) {
	say := func(seq int32, e bin.Encoder) { push(s.message(in, seq, encode(e))) }
	result := func(e bin.Encoder) { push(s.message(in, 1, result(id, encode(e)))) }
	switch m := (wire.Message{Body: body}); {
	case m.Type() == mt.PingRequestTypeID:
		say(0, &mt.Pong{MsgID: id, PingID: m.Long(0)})
	case m.Type() == tg.HelpGetCDNConfigRequestTypeID:
		if s.acks {
			say(0, &mt.MsgsAck{MsgIDs: []int64{id}})
		}
		s.busy = true
		time.AfterFunc(s.takes, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.busy = false
			result(&tg.CDNConfig{})
			for _, f := range s.queued {
				f()
			}
			s.queued = nil
		})
	case m.Type() == tg.InvokeAfterMsgRequestTypeID && s.busy && !s.waits:
		result(&mt.RPCError{ErrorCode: s.code, ErrorMessage: waitTimeout})
	case s.busy && (s.queues || m.Type() == tg.InvokeAfterMsgRequestTypeID):
		s.queued = append(s.queued, func() { result(&tg.NearestDC{}) })
	default:
		result(&tg.NearestDC{})
	}
}

// What a slow call brings to light, and that nothing is concluded from one that
// is not slow.
func TestSlowChecks(t *testing.T) {
	const takes, slow = 5 * time.Second, 2 * time.Second // a busy machine makes quick calls slow
	for _, c := range []struct {
		name   string
		server *slowServer
		from   time.Duration
		method string
		// What is told of the rules; nothing of those that hold.
		want map[string]string
	}{
		{"a server as it should be", &slowServer{takes: takes, acks: true, code: 400}, slow, slowMethod, nil},
		{"another code", &slowServer{takes: takes, acks: true, code: -503}, slow, slowMethod, nil},
		{"no acknowledgement", &slowServer{takes: takes, code: 400}, slow, slowMethod, map[string]string{
			"ACK-4": "a slow call: expected msgs_ack before the slow call's result, got none",
		}},
		{"one call after the other", &slowServer{takes: takes, acks: true, queues: true, code: 400}, slow, slowMethod, map[string]string{
			"RPC-3": "quick calls beside and behind a slow one: expected rpc_result before the slow call's result, got none",
		}},
		{"a wait without an end", &slowServer{takes: takes, acks: true, waits: true}, slow, slowMethod, map[string]string{
			"AFTER-3": "a call after a slow one, and again when that is over: expected rpc_result before the slow call's result, got none",
		}},
		{"a wrong code", &slowServer{takes: takes, acks: true, code: 500}, slow, slowMethod, map[string]string{
			"AFTER-3": "a call after a slow one, and again when that is over: expected rpc_error 400 MSG_WAIT_TIMEOUT, got rpc_error 500 MSG_WAIT_TIMEOUT",
		}},
		{"a quick method", &slowServer{}, time.Hour, slowMethod, map[string]string{
			"ACK-4":   "help.getCdnConfig is not slow: rpc_result of cdnConfig",
			"RPC-3":   "help.getCdnConfig is not slow: rpc_result of cdnConfig",
			"AFTER-3": "help.getCdnConfig is not slow: rpc_result of cdnConfig",
		}},
		{"no method", &slowServer{}, slow, "", map[string]string{
			"ACK-4": "needs --slow-method", "RPC-3": "needs --slow-method", "AFTER-3": "needs --slow-method",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, err := Run(t.Context(), &Target{
				Addr: wiretest.ServePushes(t, c.server.take), Key: &wiretest.RSAKey().PublicKey, DC: 2, Workers: 1,
				Only: regexp.MustCompile("^(ACK-4|RPC-3|AFTER-3)$"), SlowMethod: c.method, slowFrom: c.from,
			})
			require.NoError(t, err)
			require.Len(t, rows, 3)
			for _, r := range rows {
				want := Pass
				switch {
				case c.want[r.Rule] != "" && (c.method == "" || c.from == time.Hour):
					want = Skip
				case c.want[r.Rule] != "":
					want = Fail
				}
				require.Equal(t, want, r.Status, "%s: %s", r.Rule, r.Detail)
				require.Contains(t, r.Detail, c.want[r.Rule], r.Rule)
			}
		})
	}
}

func TestSlowMethodThatIsNone(t *testing.T) {
	_, err := Run(t.Context(), &Target{Addr: "127.0.0.1:1", Key: &wiretest.RSAKey().PublicKey, SlowMethod: "help.getSlow"})
	require.ErrorContains(t, err, "help.getSlow")
}
