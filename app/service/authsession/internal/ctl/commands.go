package ctl

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/tgsession/tgsession/proto/admin"
)

func get(ctx context.Context, r *request) error {
	r.remote()
	key := r.Int64("auth-key", 0, "the live session on this perm or temp key, by its `id`")
	last := &pb.FindLastSessionRequest{}
	r.Int64Var(&last.UserId, "user", 0, "the session that began last of this user `id`")
	r.StringVar(&last.DeviceType, "type", "", "with --user: the last one on this device `type`")
	live := r.Bool("live", false, "with --user: the last one that is live")
	others, err := r.parse()
	if err != nil {
		return err
	}
	named := len(others)
	for _, given := range []bool{*key != 0, last.UserId != 0} {
		if given {
			named++
		}
	}
	if named != 1 || last.UserId == 0 && (last.DeviceType != "" || *live) {
		return misuse("name one session, by HASH, --auth-key or --user with --type and --live")
	}
	in := &pb.GetSessionRequest{By: &pb.GetSessionRequest_AuthKeyId{AuthKeyId: *key}}
	if len(others) == 1 {
		hash, err := number("hash", others[0])
		if err != nil {
			return err
		}
		in.By = &pb.GetSessionRequest_Hash{Hash: hash}
	}
	if *live {
		last.Active = live
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	var out *pb.Session
	if last.UserId != 0 {
		out, err = client.FindLastSession(ctx, last)
	} else {
		out, err = client.GetSession(ctx, in)
	}
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return details(out) })
}

// user parses the arguments of a command that takes a user.
func (r *request) user() (int64, error) {
	others, err := r.parse()
	if err != nil {
		return 0, err
	}
	if len(others) != 1 {
		return 0, misuse("name one user")
	}
	return number("user", others[0])
}

// plain is a command without arguments that asks once and shows the answer.
func plain[T proto.Message](ctx context.Context, r *request, ask func(context.Context, pb.SessionAdminClient) (T, error), rows func(T) [][]string) error {
	r.remote()
	if err := r.nothing(); err != nil {
		return err
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := ask(ctx, client)
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return rows(out) })
}

func stats(ctx context.Context, r *request) error {
	return plain(ctx, r, func(ctx context.Context, c pb.SessionAdminClient) (*pb.Statistics, error) {
		return c.GetStatistics(ctx, &pb.GetStatisticsRequest{})
	}, statisticsRows)
}

func config(ctx context.Context, r *request) error {
	return plain(ctx, r, func(ctx context.Context, c pb.SessionAdminClient) (*pb.Config, error) {
		return c.GetConfig(ctx, &pb.GetConfigRequest{})
	}, configRows)
}
