package ctl

import (
	"context"
	"fmt"
	"strings"

	pb "github.com/tgsession/tgsession/proto/admin"
)

func webhooks(ctx context.Context, r *request) error {
	return plain(ctx, r, func(ctx context.Context, c pb.SessionAdminClient) (*pb.ListWebhooksReply, error) {
		return c.ListWebhooks(ctx, &pb.ListWebhooksRequest{})
	}, webhookRows)
}

func webhookRows(out *pb.ListWebhooksReply) [][]string {
	rows := [][]string{{"NAME", "URL", "TYPES", "BEHIND", "DEAD", "RETRYING"}}
	for _, w := range out.GetWebhooks() {
		rows = append(rows, []string{w.GetName(), w.GetUrl(), strings.Join(w.GetTypes(), ","), id(w.GetBehind()), id(w.GetDead()) + plus(w.GetDeadAtLeast()), id(w.GetRetrying())})
	}
	return rows
}

var deadTitles = []string{"ID", "DIED", "TYPE", "USER", "ATTEMPTS", "RETRYING", "ERROR"}

func webhooksDead(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.ListDeadLettersRequest{}
	r.Int64Var(&in.UserId, "user", 0, "only events of this user `id`")
	limit := r.Int("limit", 100, "events at most; 0: all")
	r.StringVar(&in.PageToken, "page-token", "", "go on where an earlier list stopped")
	others, err := r.parse()
	switch {
	case err != nil:
		return err
	case len(others) != 1:
		return misuse("name one webhook")
	case *limit < 0:
		return misuse("--limit must not be negative")
	}
	in.Webhook = others[0]
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, shown := r.stream("dead_letters", deadTitles), 0
	for {
		in.PageSize = pageSize
		if left := *limit - shown; *limit > 0 && left < pageSize {
			in.PageSize = int32(left)
		}
		page, err := client.ListDeadLetters(ctx, in)
		if err != nil {
			if out.begun() {
				err = partially(err)
				r.goOn(in.PageToken)
			}
			return out.end(err, member{"next_page_token", in.PageToken})
		}
		for _, d := range page.GetDeadLetters() {
			if err := out.add(d, []string{id(d.GetId()), moment(d.GetDiedAt()), d.GetType(), id(d.GetUserId()), fmt.Sprint(d.GetAttempts()), yesNo(d.GetRetrying()), d.GetError()}); err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
		shown += len(page.GetDeadLetters())
		if in.PageToken = page.GetNextPageToken(); in.PageToken == "" || *limit > 0 && shown >= *limit {
			r.goOn(in.PageToken)
			return out.end(nil, member{"next_page_token", in.PageToken})
		}
	}
}

func webhooksRetry(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.RetryDeadLettersRequest{}
	r.BoolVar(&in.All, "all", false, "all of them, the oldest thousand with each command")
	r.Int64Var(&in.UserId, "user", 0, "with --all: those of this user `id`")
	r.BoolVar(&in.DryRun, "dry-run", false, "count them, and change nothing")
	r.change(&in.Reason, &in.Ticket)
	others, err := r.parse()
	if err != nil {
		return err
	}
	if len(others) == 0 || in.All == (len(others) > 1) {
		return misuse("name a webhook, and its dead letters by ID, or --all")
	}
	in.Webhook = others[0]
	for _, text := range others[1:] {
		one, err := number("id", text)
		if err != nil {
			return err
		}
		in.Ids = append(in.Ids, one)
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.RetryDeadLetters(ctx, in)
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string {
		return [][]string{{"COUNT", "MORE", "DRY RUN"}, {fmt.Sprint(out.GetCount()), yesNo(out.GetMore()), yesNo(in.DryRun)}}
	})
}

func whoami(ctx context.Context, r *request) error {
	return plain(ctx, r, func(ctx context.Context, c pb.SessionAdminClient) (*pb.Identity, error) {
		return c.WhoAmI(ctx, &pb.WhoAmIRequest{})
	}, callerRows)
}

func callerRows(out *pb.Identity) [][]string {
	return [][]string{{"name", out.GetName()}, {"by", out.GetBy()}, {"scopes", strings.Join(out.GetScopes(), " ")}, {"until", moment(out.GetExpiresAt())}}
}
