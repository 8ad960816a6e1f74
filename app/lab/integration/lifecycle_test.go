package integration

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotd/td/mt"
	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/proto/authsession"
)

// Weakness 37: what was not acknowledged was sent again every thirty seconds,
// without end. How rare repetitions become, and when they end, is shown with the
// state machine, for less than half a minute is refused.
func TestWeakness37NothingIsRepeatedSoon(t *testing.T) {
	c := share(t)
	cl := c.newUser(newUserID())
	c.answer(nearestDC, anywhereDC)
	call := cl.call(getDC)
	times := 0
	for begin := time.Now(); time.Since(begin) < 4*time.Second; time.Sleep(50 * time.Millisecond) {
		for _, m := range cl.until() { // a connection that lives
			if answered(m) == call {
				times++
			}
		}
	}
	require.Equal(t, 1, times)

	cl.redial()
	cl.send(encode(t, &mt.PingRequest{PingID: 1}), true)
	started := time.Now()
	cl.answer(call) // a new connection gets it at once
	require.Less(t, time.Since(started), 20*time.Second, "and not what comes after thirty")
}

// Weakness 47: user, layer and device of a call were read while they changed,
// so that around a login calls ran as somebody else.
func TestWeakness47CallsCarryWhoTheyWereAcceptedFrom(t *testing.T) {
	c := share(t)
	main, user := c.newClient(), newUserID()
	c.bff.on(signIn, func(ctx context.Context, call bffCall) ([]byte, error) {
		_, err := c.auth.AuthsessionBindAuthKeyUser(ctx, &authsession.TLAuthsessionBindAuthKeyUser{AuthKeyId: call.Meta.PermAuthKeyId, UserId: user})
		return c.bff.encodeResult(t, signIn, &tg.AuthAuthorization{User: &tg.User{ID: user}}), err
	})
	const logOut = "/mtproto.RPCAuthorization/auth_logOut"
	c.bff.on(logOut, func(ctx context.Context, call bffCall) ([]byte, error) {
		_, err := c.auth.AuthsessionUnbindAuthKeyUser(ctx, &authsession.TLAuthsessionUnbindAuthKeyUser{AuthKeyId: call.Meta.PermAuthKeyId, UserId: user})
		return c.bff.encodeResult(t, logOut, &tg.AuthLoggedOut{}), err
	})
	c.answer(nearestDC, anywhereDC)
	main.result(main.call(initialised(t, getDC)))

	// Other sessions of the key, each with a layer of its own, all the while.
	stop, layers := make(chan struct{}), map[int64]int32{main.id: tg.Layer}
	var others sync.WaitGroup
	for i := range 4 {
		cl, layer := c.open(main.key), 200+i
		layers[cl.id] = int32(layer)
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					cl.result(cl.call(&tg.InvokeWithLayerRequest{Layer: layer, Query: getDC}))
				}
			}
		})
	}
	request := &tg.AuthSignInRequest{PhoneNumber: "1", PhoneCodeHash: "2"}
	request.SetPhoneCode("3")
	seen := func(id int64) (call bffCall) {
		for _, one := range c.bff.seen(nearestDC) {
			if one.Meta.SessionId == main.id && one.Meta.ClientMsgId == id {
				call = one
			}
		}
		require.NotNil(t, call.Meta)
		return call
	}
	ask := func() (id int64) {
		id = main.call(getDC)
		var dc tg.NearestDC
		require.NoError(t, decode(main.result(id), &dc))
		return id
	}
	for range 10 {
		main.result(main.call(request))
		id := ask()
		require.Equal(t, user, seen(id).Meta.UserId)
		main.result(main.call(&tg.AuthLogOutRequest{}))
		id = ask()
		require.Zero(t, seen(id).Meta.UserId)
	}
	close(stop)
	others.Wait()
	for _, call := range c.bff.seen(nearestDC) {
		require.Equal(t, layers[call.Meta.SessionId], call.Meta.Layer)
		require.Contains(t, []int64{0, user}, call.Meta.UserId)
	}
	// The binaries carry the race detector; a report fails the run.
}

// Weakness 52: while authsession was away, gateways were answered with a
// status on which they took the session node for dead; three of them, and no
// node was left.
func TestWeakness52AuthsessionMayGo(t *testing.T) {
	c := startCluster(t, "etc", "")
	known := c.newUser(1)
	unknown := newClient(t, c.conn, c.gateway, newKey(t, c.conn, 1))
	c.bff.own(unknown.key.id())
	c.answer(getUsers, &tg.UserClassVector{})
	c.authsession.stop(syscall.SIGTERM)
	for range 4 {
		err := unknown.sendPacket(packet(unknown.msgID(), unknown.seqNo(true), encode(t, &mt.PingRequest{})))
		require.Equal(t, "500 INTERNAL_SERVER_ERROR", fmt.Sprint(uint32(status.Code(err)), " ", status.Convert(err).Message()))
		err = c.queryKey(unknown.key.id())
		require.Equal(t, uint32(500), uint32(status.Code(err)))
	}
	known.result(known.call(getSelf)) // who is known is served

	c.authsession = c.startAuthsession(t, "etc-authsession.yaml", "")
	eventually(t, "new keys are served again", func() bool {
		return unknown.sendPacket(packet(unknown.msgID(), unknown.seqNo(true), encode(t, &mt.PingRequest{}))) == nil
	})
	unknown.awaitConstructor(mt.PongTypeID)
}
