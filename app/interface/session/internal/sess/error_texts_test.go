package sess

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// Addresses, statements and the insides of Go went out to clients as the text of
// rpc_error, whoever had said them.
func TestTextsOfFaultsStayHere(t *testing.T) {
	for name, c := range map[string]struct {
		code int32
		text string
		want string
	}{
		"a refusal":           {400, "PHONE_NUMBER_INVALID", "400 PHONE_NUMBER_INVALID"},
		"a refusal with a":    {420, "FLOOD_WAIT_30", "420 FLOOD_WAIT_30"},
		"digits first":        {420, "2FA_CONFIRM_WAIT_7", "420 2FA_CONFIRM_WAIT_7"},
		"another centre":      {303, "USER_MIGRATE_2", "303 USER_MIGRATE_2"},
		"a slow back end":     {-503, "Timeout", "-503 Timeout"},
		"a fault":             {500, "RPC_CALL_FAIL", "500 RPC_CALL_FAIL"},
		"an address":          {500, "dial tcp 10.0.3.17:3306: connect: connection refused", "500 INTERNAL_SERVER_ERROR"},
		"a statement":         {400, "Error 1146 (42S02): Table 'teamgram.users' doesn't exist", "400 INTERNAL_SERVER_ERROR"},
		"no logout by it":     {401, "sql: database is closed at /app/x.go", "500 INTERNAL_SERVER_ERROR"},
		"no wait by it":       {420, "wait a little", "500 INTERNAL_SERVER_ERROR"},
		"no move by it":       {303, "moved", "500 INTERNAL_SERVER_ERROR"},
		"of Go":               {403, "runtime error: index out of range", "403 INTERNAL_SERVER_ERROR"},
		"a phone number":      {406, "+31600000000 IS_THERE", "406 INTERNAL_SERVER_ERROR"},
		"no text":             {400, "", "400 INTERNAL_SERVER_ERROR"},
		"too long":            {400, strings.Repeat("A", 129), "400 INTERNAL_SERVER_ERROR"},
		"other letters":       {400, "FILE_PART_Х_MISSING", "400 INTERNAL_SERVER_ERROR"},
		"another small text":  {-503, "context deadline exceeded", "500 INTERNAL_SERVER_ERROR"},
		"a code of somebody":  {-1, "gone", "500 INTERNAL_SERVER_ERROR"},
		"no break of a line":  {400, "PEER_ID_INVALID\n", "400 INTERNAL_SERVER_ERROR"},
		"a fault without any": {500, "", "500 INTERNAL_SERVER_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newWorld(t, false)
			call := x.recv(1, x.method("help.getNearestDc"))
			x.fail("help.getNearestDc", c.code, c.text)
			require.Equal(t, c.want, x.rpcError(x.take(), call.ID), "of a BFF")

			call = x.recv(1, x.method("help.getConfig"))
			ticket, r := x.invoked("help.getConfig")
			x.finish(ticket, &MethodResult{Method: r.Method, Pushed: true}, nil)
			x.step(&PushRPCResult{
				AuthKeyID: permKey, SessionID: 1, ReqMsgID: call.ID,
				RPCResult: wire.AppendError(wire.AppendResult(nil, call.ID), c.code, c.text),
			})
			require.Equal(t, c.want, x.rpcError(x.take(), call.ID), "of a pushed result")

			y := newWorld(t, true)
			bind := y.recv(1, tlBind(permKey))
			ticket, _ = find[*BindTempKey](y, nil)
			y.finish(ticket, nil, &RPCError{Code: c.code, Message: c.text})
			require.Equal(t, c.want, y.rpcError(y.take(), bind.ID), "of authsession")
		})
	}
}

// Where authsession is slow to say whose a key is, its calls are told to come again.
func TestSlowAuthsessionIsATimeout(t *testing.T) {
	x := newWorld(t, false)
	x.stateErr = &RPCError{Code: -503, Message: "Timeout"}
	call := x.recv(1, x.method("users.getUsers", wireVector()))
	require.Equal(t, "-503 Timeout", x.rpcError(x.take(), call.ID))
}
