package ctl

import (
	"context"
	"fmt"

	pb "github.com/tgsession/tgsession/proto/admin"
)

func erase(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.EraseUserRequest{}
	r.BoolVar(&in.DryRun, "dry-run", false, "count, and change nothing")
	r.change(&in.Reason, &in.Ticket)
	yes := r.Bool("yes", false, "erase: it cannot be taken back")
	user, err := r.user()
	if err != nil {
		return err
	}
	if !*yes && !in.DryRun {
		return misuse("what is erased does not come back: see it with --dry-run, erase it with --yes")
	}
	in.UserId = user
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.EraseUser(ctx, in)
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string {
		return [][]string{
			{"LOGGED OUT", "SESSIONS", "HISTORY", "DEVICES", "DRY RUN"},
			{fmt.Sprint(out.GetLoggedOut()), fmt.Sprint(out.GetSessions()), fmt.Sprint(out.GetHistory()), fmt.Sprint(out.GetDevices()), yesNo(in.DryRun)},
		}
	})
}
