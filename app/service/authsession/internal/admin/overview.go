package admin

import (
	"context"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	pb "github.com/tgsession/tgsession/proto/admin"
)

func (s *impl) GetStatistics(ctx context.Context, _ *pb.GetStatisticsRequest) (*pb.Statistics, error) {
	n, err := s.counts.get(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	return &pb.Statistics{Live: n.Live, Ended: n.Ended, Unconfirmed: n.Unconfirmed, LiveByDeviceType: n.ByDeviceType, CountedAt: timestamppb.New(n.at)}, nil
}

func (s *impl) GetOverview(ctx context.Context, _ *pb.GetOverviewRequest) (*pb.Overview, error) {
	n, err := s.counts.get(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	seen, err := s.sessions.Overview(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	state, err := s.events.State(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	hooks, err := s.events.Hooks(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.Overview{
		At: timestamppb.New(s.counts.now()), CountedAt: timestamppb.New(n.at),
		Live: n.Live, Ended: n.Ended, Unconfirmed: n.Unconfirmed, LiveByDeviceType: n.ByDeviceType,
		Online: n.online, OnlineWithin: durationpb.New(s.counts.within),
		Events:   &pb.Overview_EventsState{Enabled: state.Enabled, Waiting: int64(state.Waiting), WaitingAtLeast: state.AtLeast, Lag: durationpb.New(state.Lag)},
		Webhooks: webhooks(hooks),
	}
	for _, m := range seen.SignIns {
		out.SignIns = append(out.SignIns, &pb.Overview_SignIns{Minute: timestamppb.New(m.Minute), Count: m.Count})
	}
	for _, r := range seen.CleanUps {
		out.CleanUps = append(out.CleanUps, &pb.Overview_CleanUpRun{
			At: timestamppb.New(r.EndedAt), Took: durationpb.New(r.Took), Result: r.Result,
			Sessions: r.Sessions, Removed: r.Removed, Node: r.Node,
		})
	}
	for _, o := range s.samples.list() {
		out.OnlineSamples = append(out.OnlineSamples, &pb.Overview_OnlineSample{At: timestamppb.New(o.at), Count: o.count})
	}
	return out, nil
}

func webhooks(list []events.HookState) (out []*pb.Webhook) {
	for _, h := range list {
		out = append(out, &pb.Webhook{
			Name: h.Name, Url: h.URL, Types: h.Types, Behind: h.Behind,
			Dead: int64(h.Dead), DeadAtLeast: h.DeadAtLeast, Retrying: int64(h.Retrying), Removed: h.Removed,
		})
	}
	return out
}

func (s *impl) WhoAmI(ctx context.Context, _ *pb.WhoAmIRequest) (*pb.Identity, error) {
	c := callOf(ctx)
	out := &pb.Identity{Name: c.caller.Name, By: c.by, ExpiresAt: timestamp(c.caller.Until)}
	for _, scope := range c.caller.Scopes {
		out.Scopes = append(out.Scopes, string(scope))
	}
	return out, nil
}
