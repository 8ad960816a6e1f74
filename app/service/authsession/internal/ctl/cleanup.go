package ctl

import (
	"context"
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/tgsession/tgsession/proto/admin"
)

// cleanupBatch is how many sessions a call ends: as many as an error can name.
const cleanupBatch = 200

func cleanup(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.CleanUpRequest{}
	olderThan := r.Duration("older-than", 0, "idle for at least this `time`; the node says which is the least")
	limit := r.Int("limit", 1000, "sessions at most")
	r.BoolVar(&in.DryRun, "dry-run", false, "count, and change nothing")
	r.change(&in.Reason, &in.Ticket)
	yes := r.Bool("yes", false, "end more than one session")
	if err := r.nothing(); err != nil {
		return err
	}
	if *olderThan <= 0 {
		return misuse("--older-than is missing")
	}
	if *limit < 1 || *limit > math.MaxInt32 {
		return misuse("--limit is out of bounds")
	}
	in.OlderThan, in.Limit = durationpb.New(*olderThan), int32(*limit)
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	if in.DryRun {
		out, err := client.CleanUp(ctx, in)
		if err != nil {
			return err
		}
		return r.show(out, func() [][]string { return cleanupRows(out.GetCount(), out.GetMore(), true) })
	}
	if !*yes {
		if err := r.fewAreIdle(ctx, client, in); err != nil {
			return err
		}
	}
	return r.endIdle(ctx, client, in, *limit)
}

// fewAreIdle refuses to end more than one session.
func (r *request) fewAreIdle(ctx context.Context, client pb.SessionAdminClient, in *pb.CleanUpRequest) error {
	out, err := client.CleanUp(ctx, &pb.CleanUpRequest{OlderThan: in.OlderThan, Limit: in.Limit, DryRun: true})
	if err != nil {
		return err
	}
	if out.GetCount() > 1 {
		return misuse("%d sessions would end: end them with --yes", out.GetCount())
	}
	return nil
}

// endIdle ends sessions in calls of a few, and shows what each has ended.
func (r *request) endIdle(ctx context.Context, client pb.SessionAdminClient, in *pb.CleanUpRequest, limit int) error {
	out := r.stream("ended", resultTitles)
	done, more := 0, true
	for more && done < limit {
		in.Limit = int32(min(cleanupBatch, limit-done))
		reply, err := client.CleanUp(ctx, in)
		ended := reply.GetEnded()
		if err != nil {
			ended = endedBefore(err)
		}
		for _, e := range ended {
			one := result{e.GetHash(), e.GetUserId(), resultEnded}
			if err := out.add(one, one.row()); err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
		if done += len(ended); err != nil {
			if done > 0 {
				err = partially(err)
			}
			return out.end(err, member{"count", done}, member{"more", true})
		}
		more = reply.GetMore()
	}
	if r.output == "json" {
		return out.end(nil, member{"count", done}, member{"more", more})
	}
	if out.begun() {
		fmt.Fprintln(r.stdout)
	}
	return r.rows(cleanupRows(int32(done), more, false))
}

func cleanupRows(n int32, more, dry bool) [][]string {
	return [][]string{{"COUNT", "MORE", "DRY RUN"}, {fmt.Sprint(n), yesNo(more), yesNo(dry)}}
}
