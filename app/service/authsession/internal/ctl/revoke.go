package ctl

import (
	"context"
	"math"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// What came of a session.
const (
	resultEnded    = "ended"
	resultWould    = "would end"
	resultBefore   = "had ended already"
	resultNone     = "not found"
	resultFailed   = "failed"
	resultNotTried = "not tried"
)

var resultTitles = []string{"HASH", "USER", "RESULT"}

// result is what came of one session, as JSON shows it.
type result struct {
	Hash   int64  `json:"hash,string"`
	UserID int64  `json:"user_id,string,omitempty"`
	Result string `json:"result"`
}

func (r result) row() []string {
	user := ""
	if r.UserID != 0 {
		user = id(r.UserID)
	}
	return []string{id(r.Hash), user, r.Result}
}

func revoke(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.RevokeSessionsRequest{}
	r.Int64Var(&in.UserId, "user", 0, "sessions of this user `id`")
	r.StringVar(&in.DeviceType, "type", "", "of them, only this device `type`")
	r.Int64Var(&in.ExceptHash, "except", 0, "of them, not the one with this `hash`")
	keep := r.Int("keep-newest", 0, "of the rest, as many stay, those active last")
	r.BoolVar(&in.DryRun, "dry-run", false, "name the sessions, and end none")
	r.change(&in.Reason, &in.Ticket)
	yes := r.Bool("yes", false, "end more than one session")
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
	if len(hashes) > 1 && !*yes && !in.DryRun {
		return misuse("%d sessions are named: end them with --yes, or see them with --dry-run", len(hashes))
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	if in.UserId == 0 {
		return r.revokeHashes(ctx, client, hashes, in)
	}
	if !*yes && !in.DryRun {
		in.AtMost = 1
	}
	return r.revokeUser(ctx, client, in)
}

func (r *request) revokeUser(ctx context.Context, client pb.SessionAdminClient, in *pb.RevokeSessionsRequest) error {
	done, err := client.RevokeSessions(ctx, in)
	ended := done.GetEnded()
	if err != nil {
		if status.Code(err) == codes.FailedPrecondition {
			return misuse("%s: end them with --yes, or see them with --dry-run", printable(status.Convert(err).Message()))
		}
		if ended = endedBefore(err); len(ended) == 0 {
			return err
		}
		err = partially(err)
	}
	out := r.stream("results", resultTitles)
	what := resultEnded
	if in.DryRun {
		what = resultWould
	}
	for _, e := range ended {
		one := result{e.GetHash(), e.GetUserId(), what}
		if err := out.add(one, one.row()); err != nil {
			return err
		}
	}
	return out.end(err)
}

// revokeHashes goes on after a hash that nobody knows, and stops at an error that
// the next one would meet, too. Whatever happens, each hash has its result.
func (r *request) revokeHashes(ctx context.Context, client pb.SessionAdminClient, hashes []int64, in *pb.RevokeSessionsRequest) error {
	out := r.stream("results", resultTitles)
	good, unknown := 0, 0
	var failure error
	for i, hash := range hashes {
		one := result{Hash: hash, Result: resultNotTried}
		if failure == nil {
			one, failure = revokeOne(ctx, client, hash, in)
			if failure != nil && i == 0 {
				return failure
			}
		}
		switch one.Result {
		case resultNone:
			unknown++
		case resultEnded, resultBefore, resultWould:
			good++
		}
		if err := out.add(one, one.row()); err != nil {
			return err
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	err := failure
	if err == nil && unknown > 0 {
		err = rpcerr.ErrHashesNameNothing.With(unknown)
	}
	if err != nil && good > 0 {
		err = partially(err)
	}
	return out.end(err)
}

// revokeOne ends a session, or looks what there is to end. The error is one that
// others would meet, too.
func revokeOne(ctx context.Context, client pb.SessionAdminClient, hash int64, in *pb.RevokeSessionsRequest) (result, error) {
	one := result{Hash: hash, Result: resultBefore}
	var err error
	if in.DryRun {
		var s *pb.Session
		if s, err = client.GetSession(ctx, &pb.GetSessionRequest{By: &pb.GetSessionRequest_Hash{Hash: hash}}); err == nil {
			one.UserID = s.GetUserId()
			if s.GetRevokeReason() == "" {
				one.Result = resultWould
			}
		}
	} else {
		var done *pb.RevokeReply
		done, err = client.RevokeSession(ctx, &pb.RevokeSessionRequest{Hash: hash, Reason: in.Reason, Ticket: in.Ticket})
		ended := done.GetEnded()
		if err != nil {
			ended = endedBefore(err)
		}
		for _, e := range ended {
			one.UserID, one.Result = e.GetUserId(), resultEnded
		}
	}
	switch {
	case status.Code(err) == codes.NotFound:
		one.Result = resultNone
		return one, nil
	case err != nil && one.Result != resultEnded:
		one.Result = resultFailed
	}
	return one, err
}

// endedBefore is what a call that failed had ended.
func endedBefore(err error) []*pb.EndedSession {
	for _, detail := range status.Convert(err).Details() {
		if p, ok := detail.(*pb.Partial); ok {
			return p.GetEnded()
		}
	}
	return nil
}
