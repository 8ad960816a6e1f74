package client_test

import (
	"context"
	"fmt"

	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/interface/session/client"
	"github.com/tgsession/tgsession/proto/session"
)

// A service of one's own pushes updates to the clients of an auth key, as sync does: to the
// node that status names for the key. Another node would send them on.
func ExampleNew() {
	conn, err := zrpc.NewClient(zrpc.RpcClientConf{Target: "10.0.0.7:20120"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var updates []byte // an encoded mtproto.Updates
	_, err = client.New(conn).SessionPushUpdatesData(context.Background(), &session.TLSessionPushUpdatesData{PermAuthKeyId: 42, Updates: updates})
	if err != nil {
		fmt.Println(err)
	}
}
