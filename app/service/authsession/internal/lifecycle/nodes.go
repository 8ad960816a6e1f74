package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/internal/discovery"
	"github.com/tgsession/tgsession/proto/authsession"
)

const (
	listPatience = 5 * time.Second // for the list of nodes in etcd
	nodePatience = 2 * time.Second // for each of them
)

// noneOfOurs is an error while a node of ours serves under c's key in etcd, or
// when etcd does not tell. It tells one from a stock node by a service that the
// latter does not have.
func noneOfOurs(ctx context.Context, c discov.EtcdConf) error {
	if len(c.Hosts) == 0 || c.Key == "" {
		return nil // it would be on no list
	}
	var nodes []string
	sub, err := discovery.Subscribe(ctx, c, listPatience, func(values []string) { nodes = slices.Clone(values) })
	if err != nil {
		return fmt.Errorf("whether a node of ours still runs cannot be told: %w; -force goes on all the same", err)
	}
	sub.Close()
	ours := slices.DeleteFunc(nodes, func(node string) bool { return !serves(ctx, node) })
	if len(ours) > 0 {
		return fmt.Errorf("%s still serves and needs what would be taken out: stop it first; -force goes on all the same", strings.Join(ours, ", "))
	}
	return nil
}

// serves reports whether an authsession of ours answers there, be it with a
// refusal.
func serves(ctx context.Context, node string) bool {
	conn, err := grpc.NewClient("passthrough:///"+node, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, nodePatience)
	defer cancel()
	_, err = authsession.NewRPCSessionManagerClient(conn).CheckSession(ctx, &authsession.CheckSessionRequest{})
	switch status.Code(err) {
	case codes.Unimplemented, codes.Unavailable, codes.DeadlineExceeded:
		return false
	}
	return true
}
