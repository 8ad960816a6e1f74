package admin

import (
	"context"
	"net/http"

	"google.golang.org/protobuf/proto"

	pb "github.com/tgsession/tgsession/proto/admin"
)

// route is a path of the REST API and the method of SessionAdmin behind it.
type route struct {
	verb, path string // path as go-zero writes it: /v1/sessions/:hash
	method     string
	decode     func(p *params) proto.Message
	call       func(s *impl, ctx context.Context, in proto.Message) (proto.Message, error)
	silent     bool // the answer is 204 and empty
}

// routes are all there are, beside the description of the API itself. The
// names in paths are those of openapi.yaml.
var routes = []route{
	on(http.MethodGet, "/v1/sessions", "ListSessions", (*impl).ListSessions, func(p *params) *pb.ListSessionsRequest {
		return &pb.ListSessionsRequest{
			UserId: p.int64("user_id"), DeviceType: p.text("device_type"), ApiId: p.int32("api_id"),
			Active: p.flag("active"), PageSize: p.int32("page_size"), PageToken: p.text("page_token"),
			Q: p.text("q"), Ip: p.text("ip"), Country: p.text("country"), Platform: p.text("platform"), DeviceModel: p.text("device_model"),
			SignedInAfter: p.time("signed_in_after"), SignedInBefore: p.time("signed_in_before"),
			ActiveAfter: p.time("active_after"), ActiveBefore: p.time("active_before"), Sort: p.text("sort"), Total: p.yes("total"),
		}
	}),
	on(http.MethodGet, "/v1/sessions/:hash", "GetSession", (*impl).GetSession, func(p *params) *pb.GetSessionRequest {
		return &pb.GetSessionRequest{By: &pb.GetSessionRequest_Hash{Hash: p.id("hash")}}
	}),
	on(http.MethodGet, "/v1/keys/:auth_key_id/session", "GetSession", (*impl).GetSession, func(p *params) *pb.GetSessionRequest {
		return &pb.GetSessionRequest{By: &pb.GetSessionRequest_AuthKeyId{AuthKeyId: p.id("auth_key_id")}}
	}),
	on(http.MethodGet, "/v1/users/:user_id/sessions:last", "FindLastSession", (*impl).FindLastSession, func(p *params) *pb.FindLastSessionRequest {
		return &pb.FindLastSessionRequest{UserId: p.id("user_id"), DeviceType: p.text("device_type"), ApiId: p.int32("api_id"), Active: p.flag("active")}
	}),
	silent(on(http.MethodDelete, "/v1/sessions/:hash", "RevokeSession", (*impl).RevokeSession, func(p *params) *pb.RevokeSessionRequest {
		return &pb.RevokeSessionRequest{Hash: p.id("hash"), Reason: p.text("reason"), Ticket: p.text("ticket")}
	})),
	on(http.MethodDelete, "/v1/users/:user_id/sessions", "RevokeSessions", (*impl).RevokeSessions, func(p *params) *pb.RevokeSessionsRequest {
		return &pb.RevokeSessionsRequest{
			UserId: p.id("user_id"), DeviceType: p.text("device_type"),
			ExceptHash: p.int64("except"), KeepNewest: p.int32("keep_newest"), AtMost: p.int32("at_most"),
			DryRun: p.yes("dry_run"), Reason: p.text("reason"), Ticket: p.text("ticket"),
		}
	}),
	on(http.MethodPost, "/v1/sessions:cleanup", "CleanUp", (*impl).CleanUp, func(p *params) *pb.CleanUpRequest {
		in := new(pb.CleanUpRequest)
		p.body(in)
		return in
	}),
	on(http.MethodPost, "/v1/sessions:revoke", "RevokeMatching", (*impl).RevokeMatching, func(p *params) *pb.RevokeMatchingRequest {
		in := new(pb.RevokeMatchingRequest)
		p.body(in)
		return in
	}),
	on(http.MethodDelete, "/v1/users/:user_id/data", "EraseUser", (*impl).EraseUser, func(p *params) *pb.EraseUserRequest {
		return &pb.EraseUserRequest{UserId: p.id("user_id"), DryRun: p.yes("dry_run"), Reason: p.text("reason"), Ticket: p.text("ticket")}
	}),
	on(http.MethodGet, "/v1/users/:user_id/policy", "GetPolicy", (*impl).GetPolicy, func(p *params) *pb.GetPolicyRequest {
		return &pb.GetPolicyRequest{UserId: p.id("user_id")}
	}),
	on(http.MethodPut, "/v1/users/:user_id/policy", "SetPolicy", (*impl).SetPolicy, func(p *params) *pb.SetPolicyRequest {
		in := &pb.SetPolicyRequest{UserId: p.id("user_id"), Policy: new(pb.Policy), Reason: p.text("reason"), Ticket: p.text("ticket")}
		p.body(in.Policy)
		return in
	}),
	on(http.MethodPatch, "/v1/users/:user_id/policy", "ChangePolicy", (*impl).ChangePolicy, func(p *params) *pb.ChangePolicyRequest {
		in := new(pb.ChangePolicyRequest)
		p.body(in)
		if in.GetUserId() != 0 || in.GetReason() != "" || in.GetTicket() != "" { // which have a place of their own
			p.fail("body", "is not the JSON that is expected here")
		}
		in.UserId, in.Reason, in.Ticket = p.id("user_id"), p.text("reason"), p.text("ticket")
		return in
	}),
	on(http.MethodGet, "/v1/statistics", "GetStatistics", (*impl).GetStatistics, func(*params) *pb.GetStatisticsRequest {
		return &pb.GetStatisticsRequest{}
	}),
	on(http.MethodGet, "/v1/overview", "GetOverview", (*impl).GetOverview, func(*params) *pb.GetOverviewRequest {
		return &pb.GetOverviewRequest{}
	}),
	on(http.MethodGet, "/v1/whoami", "WhoAmI", (*impl).WhoAmI, func(*params) *pb.WhoAmIRequest {
		return &pb.WhoAmIRequest{}
	}),
	on(http.MethodGet, "/v1/audit", "ListAudit", (*impl).ListAudit, func(p *params) *pb.ListAuditRequest {
		in := auditQuery(p)
		in.PageSize, in.PageToken = p.int32("page_size"), p.text("page_token")
		return in
	}),
	on(http.MethodGet, "/v1/audit/:id", "GetAudit", (*impl).GetAudit, func(p *params) *pb.GetAuditRequest {
		return &pb.GetAuditRequest{Id: p.id("id")}
	}),
	on(http.MethodGet, "/v1/events", "ListEvents", (*impl).ListEvents, func(p *params) *pb.ListEventsRequest {
		return &pb.ListEventsRequest{After: p.text("after"), Type: p.text("type"), UserId: p.int64("user_id"), PageSize: p.int32("page_size")}
	}),
	on(http.MethodGet, "/v1/webhooks", "ListWebhooks", (*impl).ListWebhooks, func(*params) *pb.ListWebhooksRequest {
		return &pb.ListWebhooksRequest{}
	}),
	on(http.MethodGet, "/v1/webhooks/:webhook/dead-letters", "ListDeadLetters", (*impl).ListDeadLetters, func(p *params) *pb.ListDeadLettersRequest {
		return &pb.ListDeadLettersRequest{Webhook: p.path["webhook"], UserId: p.int64("user_id"), PageSize: p.int32("page_size"), PageToken: p.text("page_token")}
	}),
	on(http.MethodPost, "/v1/webhooks/:webhook/dead-letters:retry", "RetryDeadLetters", (*impl).RetryDeadLetters, func(p *params) *pb.RetryDeadLettersRequest {
		in := new(pb.RetryDeadLettersRequest)
		p.body(in)
		in.Webhook = p.webhook(in.GetWebhook())
		return in
	}),
	on(http.MethodPost, "/v1/webhooks/:webhook/dead-letters:purge", "PurgeDeadLetters", (*impl).PurgeDeadLetters, func(p *params) *pb.PurgeDeadLettersRequest {
		in := new(pb.PurgeDeadLettersRequest)
		p.body(in)
		in.Webhook = p.webhook(in.GetWebhook())
		return in
	}),
	on(http.MethodGet, "/v1/config", "GetConfig", (*impl).GetConfig, func(*params) *pb.GetConfigRequest {
		return &pb.GetConfigRequest{}
	}),
}

// webhook is the one that the path names. The body has no place for one.
func (p *params) webhook(inBody string) string {
	if inBody != "" {
		p.fail("body", "is not the JSON that is expected here")
	}
	return p.path["webhook"]
}

// auditQuery are the parameters that select rows of the audit log.
func auditQuery(p *params) *pb.ListAuditRequest {
	return &pb.ListAuditRequest{
		UserId: p.int64("user_id"), Caller: p.text("caller"), Method: p.text("method"), Code: p.text("code"),
		Ticket: p.text("ticket"), Since: p.time("since"), Until: p.time("until"),
	}
}

func on[In, Out proto.Message](verb, path, method string, call func(*impl, context.Context, In) (Out, error), decode func(*params) In) route {
	return route{
		verb: verb, path: path, method: method,
		decode: func(p *params) proto.Message { return decode(p) },
		call: func(s *impl, ctx context.Context, in proto.Message) (proto.Message, error) {
			return call(s, ctx, in.(In)) // beside an error, out may be a nil of its own type
		},
	}
}

func silent(r route) route {
	r.silent = true
	return r
}
