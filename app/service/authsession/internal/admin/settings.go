package admin

import (
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// settings are what GetConfig shows: field by field, so that no secret gets
// there by being added to the configuration.
func settings(c config.Config) *pb.Config {
	return &pb.Config{
		Concurrency: &pb.Config_Concurrency{Strategy: c.Concurrency.Strategy, Limit: int32(c.Concurrency.Limit), Total: int32(c.Concurrency.Total)},
		Touch:       &pb.Config_Touch{CacheInterval: durationpb.New(c.Touch.CacheInterval), DbInterval: durationpb.New(c.Touch.DBInterval)},
		CleanUp: &pb.Config_CleanUp{
			Enabled: c.Cleanup.Enabled, Period: durationpb.New(c.Cleanup.Period),
			InactiveAfter: durationpb.New(c.Cleanup.InactiveAfter), BatchSize: int32(c.Cleanup.BatchSize), LeastOlderThan: durationpb.New(c.LeastInactive()),
			KeepEnded: durationpb.New(c.Cleanup.KeepEnded),
		},
		Sessions: &pb.Config_Sessions{TtlDays: int32(c.Sessions.TTLDays), ConfirmWithin: durationpb.New(c.Sessions.ConfirmWithin)},
	}
}
