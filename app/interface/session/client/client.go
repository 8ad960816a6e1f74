// Package client calls the session service.
package client

import (
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/proto/session"
)

// Client is both services of a session node.
type Client struct {
	session.RPCSessionClient
	session.RPCSessionStreamClient
}

// New calls over c.
func New(c zrpc.Client) *Client {
	return &Client{
		RPCSessionClient:       session.NewRPCSessionClient(c.Conn()),
		RPCSessionStreamClient: session.NewRPCSessionStreamClient(c.Conn()),
	}
}
