package admin

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/lifecycle"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// Sessions is lifecycle.Administered.
type Sessions interface {
	List(ctx context.Context, f sessions.Filter, p sessions.Page) (list []sessions.Session, next string, err error)
	Get(ctx context.Context, hash int64) (sessions.Session, error)
	GetSelected(ctx context.Context, hash int64, f sessions.Filter) (sessions.Session, error)
	FindByKey(ctx context.Context, authKeyID int64) (sessions.Session, error)
	FindLast(ctx context.Context, f sessions.Filter) (sessions.Session, error)
	Selected(ctx context.Context, s sessions.Selection) ([]sessions.Session, error)
	Revoke(ctx context.Context, s sessions.Selection, by sessions.By) ([]sessions.Revoked, error)
	CleanUp(ctx context.Context, olderThan time.Duration, limit int, dryRun bool, by sessions.By) (lifecycle.CleanedUp, error)
	Erase(ctx context.Context, userID int64, by sessions.By) (sessions.Erasure, error)
	Erasable(ctx context.Context, userID int64) (sessions.Erasure, error)
	Policy(ctx context.Context, userID int64) (logins.Policy, error)
	SetPolicy(ctx context.Context, userID int64, p logins.Policy) error
	ChangePolicy(ctx context.Context, userID int64, c sessions.PolicyChange) (logins.Policy, error)
	Statistics(ctx context.Context) (sessions.Statistics, error)
	Online(ctx context.Context, within time.Duration) (int64, error)
	Overview(ctx context.Context) (lifecycle.Overview, error)
	Count(ctx context.Context, f sessions.Filter) (n int, more bool, err error)
	RevokeMatching(ctx context.Context, b sessions.Bulk, limit int, dryRun bool, token string, by sessions.By) (sessions.BulkRevoked, error)
}

// Bounds of requests.
const (
	maxPageToken   = 512 // bytes
	maxKeepNewest  = 10_000
	maxTTLDays     = 3650
	maxLimit       = 10_000
	maxOlderThan   = 10 * 365 * 24 * time.Hour
	defaultCleanUp = 1000
	maxCleanUp     = 10_000
	actorPrefix    = "admin:"
	maxReason      = 200 // characters; they are columns of the audit log and of the sessions
	maxTicket      = 64  // likewise
)

var strategies = []logins.Strategy{logins.Inherit, logins.Unlimited, logins.LimitAll, logins.LimitPerDeviceType, logins.OnePerDeviceType, logins.OneLogin}

// impl is SessionAdmin. Whoever gets here may.
type impl struct {
	pb.UnimplementedSessionAdminServer
	sessions Sessions
	audit    auditReader
	events   Events
	counts   *counter
	samples  *samples
	config   atomic.Pointer[pb.Config]
	// leastOlderThan bounds a clean-up: a shorter time would end logins in use.
	leastOlderThan time.Duration
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
	concerns(ctx, found.UserID)
	return message(&found), nil
}

func (s *impl) FindLastSession(ctx context.Context, in *pb.FindLastSessionRequest) (*pb.Session, error) {
	if err := validFilter(in.GetUserId(), in.GetDeviceType()); err != nil {
		return nil, err
	}
	switch {
	case in.GetUserId() == 0:
		return nil, invalid("user_id", "must not be 0")
	case in.GetApiId() < 0:
		return nil, invalid("api_id", "must not be negative")
	}
	found, err := s.sessions.FindLast(ctx, sessions.Filter{UserID: in.GetUserId(), DeviceType: in.GetDeviceType(), APIID: in.GetApiId(), Active: in.Active})
	if err != nil {
		return nil, fault(ctx, err)
	}
	return message(&found), nil
}

func (s *impl) RevokeSession(ctx context.Context, in *pb.RevokeSessionRequest) (*pb.RevokeReply, error) {
	if in.GetHash() == 0 {
		return nil, invalid("hash", "must not be 0")
	}
	if err := validChange(in); err != nil {
		return nil, err
	}
	found, err := s.sessions.Get(ctx, in.GetHash())
	if err != nil {
		return nil, fault(ctx, err)
	}
	concerns(ctx, found.UserID)
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
	case in.GetAtMost() < 0:
		return nil, invalid("at_most", "must not be negative")
	}
	if err := validChange(in); err != nil {
		return nil, err
	}
	selection := sessions.Selection{
		UserID: in.GetUserId(), DeviceType: in.GetDeviceType(),
		ExceptHash: in.GetExceptHash(), KeepNewest: int(in.GetKeepNewest()), AtMost: int(in.GetAtMost()),
	}
	if !in.GetDryRun() {
		return s.revoke(ctx, selection)
	}
	selected, err := s.sessions.Selected(ctx, selection)
	if err != nil {
		return nil, fault(ctx, err)
	}
	list := make([]*pb.EndedSession, len(selected))
	for i := range selected {
		list[i] = named(&selected[i])
	}
	return revokeReply(list), nil
}

// revoke returns what was ended beside an error, too.
func (s *impl) revoke(ctx context.Context, selection sessions.Selection) (*pb.RevokeReply, error) {
	revoked, err := s.sessions.Revoke(ctx, selection, by(ctx))
	return revokeReply(endedSessions(revoked)), fault(ctx, err)
}

func revokeReply(list []*pb.EndedSession) *pb.RevokeReply {
	out := &pb.RevokeReply{Ended: list}
	for _, e := range list {
		out.Hashes = append(out.Hashes, e.GetHash())
	}
	return out
}

func (s *impl) CleanUp(ctx context.Context, in *pb.CleanUpRequest) (*pb.CleanUpReply, error) {
	if in.GetOlderThan() == nil || !in.GetOlderThan().IsValid() {
		return nil, invalid("older_than", "must be a duration")
	}
	olderThan := in.GetOlderThan().AsDuration()
	if olderThan < s.leastOlderThan || olderThan > maxOlderThan {
		return nil, invalid("older_than", "must be from %d to %d seconds: sessions in use would end by less, since their dates are stored every Touch.DBInterval",
			int64(s.leastOlderThan.Seconds()), int64(maxOlderThan.Seconds()))
	}
	if err := validChange(in); err != nil {
		return nil, err
	}
	limit := int(in.GetLimit())
	switch {
	case limit < 0:
		return nil, invalid("limit", "must not be negative")
	case limit == 0:
		limit = defaultCleanUp
	}
	done, err := s.sessions.CleanUp(ctx, olderThan, min(limit, maxCleanUp), in.GetDryRun(), by(ctx))
	out := &pb.CleanUpReply{Count: int32(done.Count), More: done.More, Ended: endedSessions(done.Ended)}
	if err == nil && done.Busy {
		return nil, rpcerr.ErrCleanUpUnderWay
	}
	return out, fault(ctx, err)
}

// EraseUser returns what was erased beside an error, too.
func (s *impl) EraseUser(ctx context.Context, in *pb.EraseUserRequest) (*pb.EraseUserReply, error) {
	if in.GetUserId() <= 0 {
		return nil, invalid("user_id", "must be above 0")
	}
	if err := validChange(in); err != nil {
		return nil, err
	}
	var n sessions.Erasure
	var err error
	if in.GetDryRun() {
		n, err = s.sessions.Erasable(ctx, in.GetUserId())
	} else {
		n, err = s.sessions.Erase(ctx, in.GetUserId(), by(ctx))
	}
	return &pb.EraseUserReply{LoggedOut: int32(n.LoggedOut), Sessions: int32(n.Sessions), History: int32(n.History), Devices: int32(n.Devices)}, fault(ctx, err)
}

func (s *impl) GetPolicy(ctx context.Context, in *pb.GetPolicyRequest) (*pb.Policy, error) {
	if in.GetUserId() <= 0 {
		return nil, invalid("user_id", "must be above 0")
	}
	p, err := s.sessions.Policy(ctx, in.GetUserId())
	if err != nil {
		return nil, fault(ctx, err)
	}
	return policy(p), nil
}

func (s *impl) SetPolicy(ctx context.Context, in *pb.SetPolicyRequest) (*pb.Policy, error) {
	p := in.GetPolicy()
	if p == nil {
		return nil, invalid("policy", "is missing")
	}
	if err := validPolicy(in.GetUserId(), p, in); err != nil {
		return nil, err
	}
	err := s.sessions.SetPolicy(ctx, in.GetUserId(), logins.Policy{TTLDays: int(p.GetTtlDays()), Strategy: logins.Strategy(p.GetStrategy()), Limit: int(p.GetLimit())})
	if err != nil {
		return nil, fault(ctx, err)
	}
	return p, nil
}

func (s *impl) ChangePolicy(ctx context.Context, in *pb.ChangePolicyRequest) (*pb.Policy, error) {
	asked := &pb.Policy{TtlDays: in.GetTtlDays(), Strategy: in.GetStrategy(), Limit: in.GetLimit()}
	if err := validPolicy(in.GetUserId(), asked, in); err != nil {
		return nil, err
	}
	var c sessions.PolicyChange
	if in.TtlDays != nil {
		days := int(in.GetTtlDays())
		c.TTLDays = &days
	}
	if in.Strategy != nil {
		strategy := logins.Strategy(in.GetStrategy())
		c.Strategy = &strategy
	}
	if in.Limit != nil {
		limit := int(in.GetLimit())
		c.Limit = &limit
	}
	if c == (sessions.PolicyChange{}) {
		return nil, invalid("policy", "nothing is to change: name ttl_days, strategy or limit")
	}
	p, err := s.sessions.ChangePolicy(ctx, in.GetUserId(), c)
	if err != nil {
		return nil, fault(ctx, err)
	}
	return policy(p), nil
}

func (s *impl) GetConfig(context.Context, *pb.GetConfigRequest) (*pb.Config, error) {
	return s.config.Load(), nil
}

// validFilter checks what lists and revocations share. A type that there is not
// selects nothing, which would look like success.
func validFilter(userID int64, deviceType string) error {
	if userID < 0 {
		return invalid("user_id", "must not be negative")
	}
	if !device.Known(deviceType) {
		return invalid("device_type", "there is no type %q; there are %s", printed(deviceType), strings.Join(device.Types, ", "))
	}
	return nil
}

func validPolicy(userID int64, p *pb.Policy, in change) error {
	switch {
	case userID <= 0:
		return invalid("user_id", "must be above 0")
	case p.GetTtlDays() < 0 || p.GetTtlDays() > maxTTLDays:
		return invalid("ttl_days", "must be from 0 to %d", maxTTLDays)
	case !slices.Contains(strategies, logins.Strategy(p.GetStrategy())):
		return invalid("strategy", "there is no strategy %q; there are none, limit, limit-per-device-type, one-per-device-type and one, or empty for what is configured", printed(p.GetStrategy()))
	case p.GetLimit() < 0 || p.GetLimit() > maxLimit:
		return invalid("limit", "must be from 0 to %d", maxLimit)
	}
	return validChange(in)
}

// change is a request that changes something.
type change interface {
	GetReason() string
	GetTicket() string
}

func validChange(in change) error {
	switch {
	case utf8.RuneCountInString(in.GetReason()) > maxReason:
		return invalid("reason", "has more than %d characters", maxReason)
	case utf8.RuneCountInString(in.GetTicket()) > maxTicket:
		return invalid("ticket", "has more than %d characters", maxTicket)
	case strings.ContainsFunc(in.GetTicket(), func(r rune) bool { return !unicode.IsPrint(r) }):
		return invalid("ticket", "must be printable")
	}
	return nil
}

// printed shortens what a caller sent for an answer.
func printed(s string) string {
	const most = 32
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func policy(p logins.Policy) *pb.Policy {
	return &pb.Policy{TtlDays: int32(p.TTLDays), Strategy: string(p.Strategy), Limit: int32(p.Limit)}
}

func endedSessions(revoked []sessions.Revoked) []*pb.EndedSession {
	list := make([]*pb.EndedSession, len(revoked))
	for i := range revoked {
		list[i] = named(&revoked[i].Session)
	}
	return list
}

func named(s *sessions.Session) *pb.EndedSession {
	return &pb.EndedSession{UserId: s.UserID, Hash: s.Hash}
}

func by(ctx context.Context) sessions.By {
	c := callOf(ctx)
	return sessions.By{Reason: logins.ByAdmin, Actor: actorPrefix + c.caller.Name, Note: c.reason, Ticket: c.ticket}
}

// message is a session as it goes out. Texts come from devices.
func message(s *sessions.Session) *pb.Session {
	text := func(t string) string { return strings.ToValidUTF8(t, "\uFFFD") }
	addresses := make([]*pb.Address, len(s.Addresses))
	for i, a := range s.Addresses {
		addresses[i] = &pb.Address{Ip: text(a.IP), Country: text(a.Country), Region: text(a.Region), FirstSeen: timestamp(a.First), LastSeen: timestamp(a.Last)}
	}
	return &pb.Session{
		Hash: s.Hash, UserId: s.UserID, AuthKeyId: s.AuthKeyID,
		DeviceType: s.DeviceType, DeviceModel: text(s.DeviceModel), Platform: text(s.Platform), SystemVersion: text(s.SystemVersion),
		AppName: text(s.AppName), AppVersion: text(s.AppVersion), LangCode: text(s.LangCode), ApiId: s.APIID, Layer: s.Layer,
		Ip: text(s.IP), Country: text(s.Country), Region: text(s.Region),
		SignedIn: timestamp(s.SignedIn), LastActive: timestamp(s.LastActive), ExpiresAt: timestamp(s.ExpiresAt), RevokedAt: timestamp(s.RevokedAt),
		RevokeReason: s.RevokeReason.String(), RevokedBy: text(s.RevokedBy), Unconfirmed: s.Unconfirmed,
		RevokeNote: text(s.RevokeNote), RevokeTicket: text(s.RevokeTicket),
		Addresses: addresses,
	}
}

// timestamp leaves out what is not known.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
