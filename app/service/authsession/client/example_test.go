package client_test

import (
	"context"
	"fmt"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/zrpc"

	"github.com/tgsession/tgsession/app/service/authsession/client"
	"github.com/tgsession/tgsession/proto/authsession"
)

// A service of one's own asks whose an auth key is. Manager has the calls that a stock
// authsession does not know.
func ExampleNew() {
	conn, err := zrpc.NewClient(zrpc.RpcClientConf{Etcd: discov.EtcdConf{Hosts: []string{"127.0.0.1:2379"}, Key: "service.authsession"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	auth := client.New(conn)
	login, err := auth.Manager.CheckSession(context.Background(), &authsession.CheckSessionRequest{AuthKeyId: 42})
	if err != nil {
		fmt.Println(err)
		return
	}
	if !login.GetValid() {
		fmt.Println("nobody is logged in")
		return
	}
	fmt.Println("user", login.GetUserId())
}
