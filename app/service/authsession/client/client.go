// Package client calls authsession.
package client

import (
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/proto/authsession"
)

// Client has the calls of a stock authsession and, in Manager, ours; a stock
// authsession answers these with codes.Unimplemented. Both may be used from
// any goroutine.
type Client struct {
	authsession.RPCAuthsessionClient
	Manager authsession.RPCSessionManagerClient
}

// New wraps a connection. go-zero logs requests and replies of slow and failed
// calls; those that hold keys or salts are kept out of the log from here on.
func New(cli zrpc.Client) *Client {
	for _, method := range []string{
		authsession.RPCAuthsession_AuthsessionSetAuthKey_FullMethodName,
		authsession.RPCAuthsession_AuthsessionBindTempAuthKey_FullMethodName,
		authsession.RPCAuthsession_AuthsessionQueryAuthKey_FullMethodName,
		authsession.RPCAuthsession_AuthsessionGetFutureSalts_FullMethodName,
	} {
		zrpc.DontLogClientContentForMethod(method)
	}
	return &Client{
		RPCAuthsessionClient: authsession.NewRPCAuthsessionClient(cli.Conn()),
		Manager:              authsession.NewRPCSessionManagerClient(cli.Conn()),
	}
}
