package ctl

import (
	"context"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/tgsession/tgsession/proto/admin"
)

const pageSize = 500 // the most that a node gives

func list(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.ListSessionsRequest{}
	r.Int64Var(&in.UserId, "user", 0, "only sessions of this user `id`")
	r.StringVar(&in.DeviceType, "type", "", "only this device `type`: android, ios, desktop, web, bot or other")
	apiID := r.Int("api-id", 0, "only this app")
	live := r.Bool("live", false, "only live sessions")
	ended := r.Bool("ended", false, "only ended sessions")
	limit := r.Int("limit", 100, "sessions at most; 0: all")
	r.StringVar(&in.PageToken, "page-token", "", "go on where an earlier list stopped")
	if err := r.nothing(); err != nil {
		return err
	}
	switch {
	case *live && *ended:
		return misuse("--live and --ended exclude each other")
	case *live || *ended:
		in.Active = live
	case *limit < 0:
		return misuse("--limit must not be negative")
	}
	if *apiID < 0 || *apiID > math.MaxInt32 {
		return misuse("--api-id is out of bounds")
	}
	in.ApiId = int32(*apiID)
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	all := &pb.ListSessionsReply{}
	for {
		in.PageSize = pageSize
		if left := *limit - len(all.Sessions); *limit > 0 && left < pageSize {
			in.PageSize = int32(left)
		}
		page, err := client.ListSessions(ctx, in)
		if err != nil {
			return err
		}
		all.Sessions = append(all.Sessions, page.Sessions...)
		all.NextPageToken, in.PageToken = page.NextPageToken, page.NextPageToken
		if page.NextPageToken == "" || *limit > 0 && len(all.Sessions) >= *limit {
			break
		}
	}
	if err := r.show(all, func() [][]string { return sessionRows(all.Sessions) }); err != nil {
		return err
	}
	if all.NextPageToken != "" && r.output == "table" {
		fmt.Fprintf(r.stderr, "there are more: --page-token %s\n", printable(all.NextPageToken))
	}
	return nil
}

func get(ctx context.Context, r *request) error {
	r.remote()
	key := r.Int64("auth-key", 0, "the live session on this perm or temp key, by its `id`")
	others, err := r.parse()
	if err != nil {
		return err
	}
	in := &pb.GetSessionRequest{By: &pb.GetSessionRequest_AuthKeyId{AuthKeyId: *key}}
	switch {
	case *key == 0 && len(others) == 1:
		hash, err := number("hash", others[0])
		if err != nil {
			return err
		}
		in.By = &pb.GetSessionRequest_Hash{Hash: hash}
	case *key == 0 || len(others) > 0:
		return misuse("name one session, by HASH or --auth-key")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.GetSession(ctx, in)
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return details(out) })
}

func revoke(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.RevokeSessionsRequest{}
	r.Int64Var(&in.UserId, "user", 0, "sessions of this user `id`")
	r.StringVar(&in.DeviceType, "type", "", "of them, only this device `type`")
	r.Int64Var(&in.ExceptHash, "except", 0, "of them, not the one with this `hash`")
	keep := r.Int("keep-newest", 0, "of the rest, as many stay, those active last")
	others, err := r.parse()
	if err != nil {
		return err
	}
	if *keep < 0 || *keep > math.MaxInt32 {
		return misuse("--keep-newest is out of bounds")
	}
	in.KeepNewest = int32(*keep)
	filtered := in.DeviceType != "" || in.ExceptHash != 0 || in.KeepNewest != 0
	if (in.UserId == 0) == (len(others) == 0) || filtered && in.UserId == 0 {
		return misuse("name sessions, by HASH or by --user with --type, --except and --keep-newest")
	}
	hashes := make([]int64, len(others))
	for i, text := range others {
		if hashes[i], err = number("hash", text); err != nil {
			return err
		}
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	ended := &pb.RevokeReply{}
	if in.UserId != 0 {
		if ended, err = client.RevokeSessions(ctx, in); err != nil {
			return err
		}
	}
	for _, hash := range hashes {
		one, err := client.RevokeSession(ctx, &pb.RevokeSessionRequest{Hash: hash})
		if err != nil {
			return fmt.Errorf("%d: %w", hash, err)
		}
		ended.Hashes = append(ended.Hashes, one.Hashes...)
	}
	return r.show(ended, func() [][]string { return revokedRows(ended.Hashes) })
}

func cleanup(ctx context.Context, r *request) error {
	r.remote()
	olderThan := r.Duration("older-than", 0, "idle for at least this `time`, from 1h on")
	limit := r.Int("limit", 1000, "sessions at most, up to 10000")
	dry := r.Bool("dry-run", false, "count, and change nothing")
	if err := r.nothing(); err != nil {
		return err
	}
	if *olderThan < time.Hour {
		return misuse("--older-than must be at least 1h")
	}
	if *limit < 1 || *limit > math.MaxInt32 {
		return misuse("--limit is out of bounds")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.CleanUp(ctx, &pb.CleanUpRequest{OlderThan: durationpb.New(*olderThan), Limit: int32(*limit), DryRun: *dry})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string {
		return [][]string{{"COUNT", "MORE", "DRY RUN"}, {fmt.Sprint(out.Count), yesNo(out.More), yesNo(*dry)}}
	})
}

func policyGet(ctx context.Context, r *request) error {
	r.remote()
	user, err := r.user()
	if err != nil {
		return err
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.GetPolicy(ctx, &pb.GetPolicyRequest{UserId: user})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return policyRows(out) })
}

func policySet(ctx context.Context, r *request) error {
	r.remote()
	ttl := r.Int("ttl-days", 0, "idle days until a session expires")
	strategy := r.String("strategy", "", "what a sign-in does to other sessions: none, limit-per-device-type, one-per-device-type or one")
	limit := r.Int("limit", 0, "of limit-per-device-type")
	user, err := r.user()
	if err != nil {
		return err
	}
	if *ttl < 0 || *ttl > math.MaxInt32 || *limit < 0 || *limit > math.MaxInt32 {
		return misuse("--ttl-days or --limit is out of bounds")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.SetPolicy(ctx, &pb.SetPolicyRequest{UserId: user,
		Policy: &pb.Policy{TtlDays: int32(*ttl), Strategy: *strategy, Limit: int32(*limit)}})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return policyRows(out) })
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

func stats(ctx context.Context, r *request) error {
	r.remote()
	if err := r.nothing(); err != nil {
		return err
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.GetStatistics(ctx, &pb.GetStatisticsRequest{})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return statisticsRows(out) })
}

func config(ctx context.Context, r *request) error {
	r.remote()
	if err := r.nothing(); err != nil {
		return err
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.GetConfig(ctx, &pb.GetConfigRequest{})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return configRows(out) })
}
