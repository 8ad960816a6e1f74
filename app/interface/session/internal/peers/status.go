package peers

import (
	"context"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/proto/status"
)

const (
	statusLanes = 128
	statusQueue = 1024 // reports waiting in one lane
)

// faults keeps a peer that is down from filling the log.
var faults = logx.NewLessLogger(1000)

// Status tells the status service who is online here. Reports of one key keep
// their order; nobody waits for them.
type Status struct {
	rpc      status.RPCStatusClient
	lanes    *lane.Lanes
	serverID string
	timeout  time.Duration

	// Elsewhere reports whether another node owns a key now, and so reports of
	// it: what this one still had to say may contradict that. nil: none does.
	Elsewhere func(permAuthKeyID int64) bool
}

// NewStatus reports over conn, at most timeout a call. serverID is where sync
// finds this node.
func NewStatus(conn grpc.ClientConnInterface, serverID string, timeout time.Duration) *Status {
	return &Status{rpc: status.NewRPCStatusClient(conn), lanes: lane.New(statusLanes, statusQueue), serverID: serverID, timeout: timeout}
}

// Notify sends a SetOnline or SetOffline. It never blocks.
func (s *Status) Notify(r sess.Request) {
	var key int64
	var report func(ctx context.Context) error
	switch r := r.(type) {
	case *sess.SetOnline:
		key, report = r.AuthKeyID, func(ctx context.Context) error {
			if r.Expires <= time.Now().Unix() {
				return nil // it waited too long to be true
			}
			_, err := s.rpc.StatusSetSessionOnline(ctx, &status.TLStatusSetSessionOnline{UserId: r.UserID, Session: &status.SessionEntry{
				PredicateName: "sessionEntry", UserId: r.UserID, AuthKeyId: r.AuthKeyID, PermAuthKeyId: r.AuthKeyID,
				Gateway: s.serverID, Expired: r.Expires, Layer: r.Layer, Client: r.Client,
			}})
			return err
		}
	case *sess.SetOffline:
		key, report = r.AuthKeyID, func(ctx context.Context) error {
			_, err := s.rpc.StatusSetSessionOffline(ctx, &status.TLStatusSetSessionOffline{UserId: r.UserID, AuthKeyId: r.AuthKeyID})
			return err
		}
	default:
		return
	}
	if !s.lanes.Go(key, func() {
		if s.Elsewhere != nil && s.Elsewhere(key) {
			return
		}
		// Twice, because what is not told now is told in most of a minute.
		if s.try(report) != nil {
			if err := s.try(report); err != nil {
				faults.Errorf("status: %v", err)
			}
		}
	}) {
		metrics.StatusDropped.Inc()
	}
}

func (s *Status) try(report func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	return report(ctx)
}

// Wait returns when all reports have been made or ctx is done.
func (s *Status) Wait(ctx context.Context) error { return wait(ctx, s.lanes.Wait) }
