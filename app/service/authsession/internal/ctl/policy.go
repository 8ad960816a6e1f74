package ctl

import (
	"context"
	"flag"
	"math"

	"google.golang.org/protobuf/proto"

	pb "github.com/tgsession/tgsession/proto/admin"
)

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

// policySet changes what has a flag, and leaves the rest.
func policySet(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.ChangePolicyRequest{}
	ttl := r.Int("ttl-days", 0, "idle days until a session expires; 0: as configured for all")
	strategy := r.String("strategy", "", "what a sign-in does to other sessions: none, limit, limit-per-device-type, one-per-device-type or one; empty: as configured for all")
	limit := r.Int("limit", 0, "of limit and limit-per-device-type; 0: as configured for all")
	r.change(&in.Reason, &in.Ticket)
	dry := r.Bool("dry-run", false, "show what would hold, and change nothing")
	user, err := r.user()
	if err != nil {
		return err
	}
	if *ttl < 0 || *ttl > math.MaxInt32 || *limit < 0 || *limit > math.MaxInt32 {
		return misuse("--ttl-days or --limit is out of bounds")
	}
	r.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "ttl-days":
			in.TtlDays = proto.Int32(int32(*ttl))
		case "strategy":
			in.Strategy = strategy
		case "limit":
			in.Limit = proto.Int32(int32(*limit))
		}
	})
	if in.TtlDays == nil && in.Strategy == nil && in.Limit == nil {
		return misuse("name what is to change: --ttl-days, --strategy or --limit")
	}
	in.UserId = user
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	if *dry {
		return r.policyWould(ctx, client, in)
	}
	out, err := client.ChangePolicy(ctx, in)
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return policyRows(out) })
}

// policyWould shows what a change would leave, and changes nothing.
func (r *request) policyWould(ctx context.Context, client pb.SessionAdminClient, in *pb.ChangePolicyRequest) error {
	out, err := client.GetPolicy(ctx, &pb.GetPolicyRequest{UserId: in.UserId})
	if err != nil {
		return err
	}
	if in.TtlDays != nil {
		out.TtlDays = in.GetTtlDays()
	}
	if in.Strategy != nil {
		out.Strategy = in.GetStrategy()
	}
	if in.Limit != nil {
		out.Limit = in.GetLimit()
	}
	return r.show(out, func() [][]string { return policyRows(out) })
}
