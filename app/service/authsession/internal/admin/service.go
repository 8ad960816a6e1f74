package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// Sessions is sessions.Manager.
type Sessions interface {
	List(ctx context.Context, f sessions.Filter, p sessions.Page) (list []sessions.Session, next string, err error)
	Get(ctx context.Context, hash int64) (sessions.Session, error)
	FindByKey(ctx context.Context, authKeyID int64) (sessions.Session, error)
	Revoke(ctx context.Context, s sessions.Selection, by sessions.By) ([]sessions.Revoked, error)
	RevokeInactive(ctx context.Context, olderThan time.Duration, limit int, dryRun bool, by sessions.By) (n int, more bool, err error)
	Policy(ctx context.Context, userID int64) (sessions.Policy, error)
	SetPolicy(ctx context.Context, userID int64, p sessions.Policy) error
	Statistics(ctx context.Context) (sessions.Statistics, error)
}

// Bounds of requests.
const (
	maxPageToken    = 512 // bytes
	maxKeepNewest   = 10_000
	maxTTLDays      = 3650
	maxLimit        = 10_000
	minOlderThan    = time.Hour // less would end logins that are in use
	maxOlderThan    = 10 * 365 * 24 * time.Hour
	defaultCleanUp  = 1000
	maxCleanUp      = 10_000
	actorPrefix     = "admin:"
	maxDeviceLength = 16
)

var strategies = []sessions.Strategy{sessions.Inherit, sessions.Unlimited, sessions.LimitPerDeviceType, sessions.OnePerDeviceType, sessions.OneSession}

// impl is SessionAdmin. Whoever gets here may.
type impl struct {
	pb.UnimplementedSessionAdminServer
	sessions Sessions
	config   *pb.Config
}

func (s *impl) ListSessions(ctx context.Context, in *pb.ListSessionsRequest) (*pb.ListSessionsReply, error) {
	if err := validFilter(in.GetUserId(), in.GetDeviceType()); err != nil {
		return nil, err
	}
	switch {
	case in.GetApiId() < 0:
		return nil, invalid("api_id", "must not be negative")
	case in.GetPageSize() < 0:
		return nil, invalid("page_size", "must not be negative")
	case len(in.GetPageToken()) > maxPageToken:
		return nil, invalid("page_token", "this list did not give it out")
	}
	list, next, err := s.sessions.List(ctx,
		sessions.Filter{UserID: in.GetUserId(), DeviceType: in.GetDeviceType(), APIID: in.GetApiId(), Active: in.Active},
		sessions.Page{Size: int(in.GetPageSize()), Token: in.GetPageToken()})
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.ListSessionsReply{NextPageToken: next, Sessions: make([]*pb.Session, len(list))}
	for i := range list {
		out.Sessions[i] = message(&list[i])
	}
	return out, nil
}

func (s *impl) GetSession(ctx context.Context, in *pb.GetSessionRequest) (*pb.Session, error) {
	var found sessions.Session
	var err error
	switch by := in.GetBy().(type) {
	case *pb.GetSessionRequest_AuthKeyId:
		if by.AuthKeyId == 0 {
			return nil, invalid("auth_key_id", "must not be 0")
		}
		found, err = s.sessions.FindByKey(ctx, by.AuthKeyId)
	default:
		if in.GetHash() == 0 {
			return nil, invalid("hash", "must not be 0")
		}
		found, err = s.sessions.Get(ctx, in.GetHash())
	}
	if err != nil {
		return nil, fault(ctx, err)
	}
	return message(&found), nil
}

func (s *impl) RevokeSession(ctx context.Context, in *pb.RevokeSessionRequest) (*pb.RevokeReply, error) {
	if in.GetHash() == 0 {
		return nil, invalid("hash", "must not be 0")
	}
	return s.revoke(ctx, sessions.Selection{Hash: in.GetHash()})
}

func (s *impl) RevokeSessions(ctx context.Context, in *pb.RevokeSessionsRequest) (*pb.RevokeReply, error) {
	if err := validFilter(in.GetUserId(), in.GetDeviceType()); err != nil {
		return nil, err
	}
	switch {
	case in.GetUserId() == 0:
		return nil, invalid("user_id", "must not be 0")
	case in.GetKeepNewest() < 0 || in.GetKeepNewest() > maxKeepNewest:
		return nil, invalid("keep_newest", "must be from 0 to %d", maxKeepNewest)
	}
	return s.revoke(ctx, sessions.Selection{UserID: in.GetUserId(), DeviceType: in.GetDeviceType(),
		ExceptHash: in.GetExceptHash(), KeepNewest: int(in.GetKeepNewest())})
}

func (s *impl) revoke(ctx context.Context, selection sessions.Selection) (*pb.RevokeReply, error) {
	revoked, err := s.sessions.Revoke(ctx, selection, by(ctx))
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.RevokeReply{Hashes: make([]int64, len(revoked))}
	for i := range revoked {
		out.Hashes[i] = revoked[i].Hash
	}
	return out, nil
}

func (s *impl) CleanUp(ctx context.Context, in *pb.CleanUpRequest) (*pb.CleanUpReply, error) {
	if in.GetOlderThan() == nil || !in.GetOlderThan().IsValid() {
		return nil, invalid("older_than", "must be a duration")
	}
	olderThan := in.GetOlderThan().AsDuration()
	if olderThan < minOlderThan || olderThan > maxOlderThan {
		return nil, invalid("older_than", "must be from %d to %d seconds", int64(minOlderThan.Seconds()), int64(maxOlderThan.Seconds()))
	}
	limit := int(in.GetLimit())
	switch {
	case limit < 0:
		return nil, invalid("limit", "must not be negative")
	case limit == 0:
		limit = defaultCleanUp
	}
	n, more, err := s.sessions.RevokeInactive(ctx, olderThan, min(limit, maxCleanUp), in.GetDryRun(), by(ctx))
	if err != nil {
		return nil, fault(ctx, err)
	}
	return &pb.CleanUpReply{Count: int32(n), More: more}, nil
}

func (s *impl) GetPolicy(ctx context.Context, in *pb.GetPolicyRequest) (*pb.Policy, error) {
	if in.GetUserId() <= 0 {
		return nil, invalid("user_id", "must be above 0")
	}
	p, err := s.sessions.Policy(ctx, in.GetUserId())
	if err != nil {
		return nil, fault(ctx, err)
	}
	return &pb.Policy{TtlDays: int32(p.TTLDays), Strategy: string(p.Strategy), Limit: int32(p.Limit)}, nil
}

func (s *impl) SetPolicy(ctx context.Context, in *pb.SetPolicyRequest) (*pb.Policy, error) {
	p := in.GetPolicy()
	strategy := sessions.Strategy(p.GetStrategy())
	switch {
	case in.GetUserId() <= 0:
		return nil, invalid("user_id", "must be above 0")
	case p == nil:
		return nil, invalid("policy", "is missing")
	case p.GetTtlDays() < 0 || p.GetTtlDays() > maxTTLDays:
		return nil, invalid("ttl_days", "must be from 0 to %d", maxTTLDays)
	case !slices.Contains(strategies, strategy):
		return nil, invalid("strategy", "must be empty, none, limit-per-device-type, one-per-device-type or one")
	case p.GetLimit() < 0 || p.GetLimit() > maxLimit:
		return nil, invalid("limit", "must be from 0 to %d", maxLimit)
	}
	err := s.sessions.SetPolicy(ctx, in.GetUserId(), sessions.Policy{TTLDays: int(p.GetTtlDays()), Strategy: strategy, Limit: int(p.GetLimit())})
	if err != nil {
		return nil, fault(ctx, err)
	}
	return p, nil
}

func (s *impl) GetStatistics(ctx context.Context, _ *pb.GetStatisticsRequest) (*pb.Statistics, error) {
	n, err := s.sessions.Statistics(ctx)
	if err != nil {
		return nil, fault(ctx, err)
	}
	return &pb.Statistics{Live: n.Live, Ended: n.Ended, Unconfirmed: n.Unconfirmed, LiveByDeviceType: n.ByDeviceType}, nil
}

func (s *impl) GetConfig(context.Context, *pb.GetConfigRequest) (*pb.Config, error) {
	return s.config, nil
}

// validFilter checks what lists and revocations share.
func validFilter(userID int64, deviceType string) error {
	if userID < 0 {
		return invalid("user_id", "must not be negative")
	}
	if len(deviceType) > maxDeviceLength || strings.ContainsFunc(deviceType, func(r rune) bool { return r < 'a' || r > 'z' }) {
		return invalid("device_type", "there is no such type")
	}
	return nil
}

func by(ctx context.Context) sessions.By {
	return sessions.By{Reason: sessions.ByAdmin, Actor: actorPrefix + callerOf(ctx)}
}

// message is a session as it goes out. Texts come from devices.
func message(s *sessions.Session) *pb.Session {
	text := func(t string) string { return strings.ToValidUTF8(t, "\uFFFD") }
	return &pb.Session{
		Hash: s.Hash, UserId: s.UserID, AuthKeyId: s.AuthKeyID,
		DeviceType: s.DeviceType, DeviceModel: text(s.DeviceModel), Platform: text(s.Platform), SystemVersion: text(s.SystemVersion),
		AppName: text(s.AppName), AppVersion: text(s.AppVersion), LangCode: text(s.LangCode), ApiId: s.APIID, Layer: s.Layer,
		Ip: text(s.IP), Country: text(s.Country), Region: text(s.Region),
		SignedIn: timestamp(s.SignedIn), LastActive: timestamp(s.LastActive), ExpiresAt: timestamp(s.ExpiresAt), RevokedAt: timestamp(s.RevokedAt),
		RevokeReason: s.RevokeReason.String(), RevokedBy: text(s.RevokedBy), Unconfirmed: s.Unconfirmed,
	}
}

// timestamp leaves out what is not known.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
