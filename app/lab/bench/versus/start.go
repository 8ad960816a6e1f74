package versus

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/lab/floor"
	"github.com/tgsession/tgsession/app/lab/proc"
)

// addresses are two free ones, to listen on and for the debug server.
func addresses() (listen, debug string, err error) {
	if listen, err = proc.FreeAddr(); err == nil {
		debug, err = proc.FreeAddr()
	}
	return listen, debug, err
}

// startSession starts a session node among the peers, without etcd and otherwise
// as a stock file has it. more is lines that are added to that.
func (r *run) startSession(ctx context.Context, streams bool, more string) (*target, error) {
	addr, debug, err := addresses()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(debug)
	if err != nil {
		return nil, err
	}
	yaml := fmt.Sprintf(`Name: interface.session
ListenOn: %s
Log: {ServiceName: interface.session, Mode: file, Path: %q, Level: info}
DevServer: {Enabled: true, Host: %s, Port: %s}
UseStreamGateway: %t
AuthSession: {Endpoints: [%s]}
StatusClient: {Endpoints: [%s]}
GatewayClient: {Endpoints: [%s]}
BFFProxyClients:
  Clients: [{Endpoints: [%[9]s], Timeout: 0}]
  IDMap: {/mtproto.RPCUsers: %[9]q, /mtproto.RPCUpdates: %[9]q}
%[10]s`, addr, filepath.Join(r.Dir, "logs"), host, port, streams,
		r.peers.auth, r.peers.status, r.peers.gateway, r.peers.bff, more)
	return start(ctx, "session", r.Dir, addr, debug, r.Session, []byte(yaml), streams)
}

// startFloor starts the floor with the sizes that session had on the wire.
func (r *run) startFloor(ctx context.Context, row Row, packetLen int) (*target, error) {
	addr, debug, err := addresses()
	if err != nil {
		return nil, err
	}
	requestLen, caller := r.peers.desk.seen()
	header, err := proto.Marshal(caller)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(floor.Config{
		ListenOn: addr, Debug: debug, BFF: r.peers.bff, UnaryGateway: !row.streams,
		Calls: !row.push, Method: callPath, Caller: header,
		RequestBytes: requestLen, AnswerBytes: packetLen, PushBytes: packetLen,
	})
	if err != nil {
		return nil, err
	}
	return start(ctx, "floor", r.Dir, addr, debug, r.Floor, text, row.streams)
}
