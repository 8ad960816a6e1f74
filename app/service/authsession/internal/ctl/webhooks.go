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
		rows = append(rows, []string{w.GetName(), to(w), strings.Join(w.GetTypes(), ","), id(w.GetBehind()), id(w.GetDead()) + plus(w.GetDeadAtLeast()), id(w.GetRetrying())})
	}
	return rows
}

// to is where a webhook is, or that it is not configured.
func to(w *pb.Webhook) string {
	if w.GetRemoved() {
		return "(removed)"
	}
	return w.GetUrl()
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

// chosen are the dead letters that a change is about, as the command line names them.
type chosen struct {
	webhook        string
	ids            []int64
	all, dryRun    bool
	user           int64
	reason, ticket string
}

// choose reads the command line of a change.
func choose(r *request) (c chosen, err error) {
	r.remote()
	r.BoolVar(&c.all, "all", false, "all of them, the oldest thousand with each command")
	r.Int64Var(&c.user, "user", 0, "with --all: those of this user `id`")
	r.BoolVar(&c.dryRun, "dry-run", false, "count them, and change nothing")
	r.change(&c.reason, &c.ticket)
	others, err := r.parse()
	if err != nil {
		return c, err
	}
	if len(others) == 0 || c.all == (len(others) > 1) {
		return c, misuse("name a webhook, and its dead letters by ID, or --all")
	}
	c.webhook = others[0]
	for _, text := range others[1:] {
		one, err := number("id", text)
		if err != nil {
			return c, err
		}
		c.ids = append(c.ids, one)
	}
	return c, nil
}

func webhooksRetry(ctx context.Context, r *request) error {
	c, err := choose(r)
	if err != nil {
		return err
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.RetryDeadLetters(ctx, &pb.RetryDeadLettersRequest{Webhook: c.webhook, Ids: c.ids, All: c.all, UserId: c.user, DryRun: c.dryRun, Reason: c.reason, Ticket: c.ticket})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return changedRows(out.GetCount(), out.GetMore(), c.dryRun) })
}

func webhooksPurge(ctx context.Context, r *request) error {
	yes := r.Bool("yes", false, "remove more than one")
	c, err := choose(r)
	if err != nil {
		return err
	}
	if !*yes && !c.dryRun && (c.all || len(c.ids) > 1) {
		return misuse("they are gone for good: say --yes, or --dry-run to count them")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	out, err := client.PurgeDeadLetters(ctx, &pb.PurgeDeadLettersRequest{Webhook: c.webhook, Ids: c.ids, All: c.all, UserId: c.user, DryRun: c.dryRun, Reason: c.reason, Ticket: c.ticket})
	if err != nil {
		return err
	}
	return r.show(out, func() [][]string { return changedRows(out.GetCount(), out.GetMore(), c.dryRun) })
}

func changedRows(count int32, more, dryRun bool) [][]string {
	return [][]string{{"COUNT", "MORE", "DRY RUN"}, {fmt.Sprint(count), yesNo(more), yesNo(dryRun)}}
}

func whoami(ctx context.Context, r *request) error {
	return plain(ctx, r, func(ctx context.Context, c pb.SessionAdminClient) (*pb.Identity, error) {
		return c.WhoAmI(ctx, &pb.WhoAmIRequest{})
	}, callerRows)
}

func callerRows(out *pb.Identity) [][]string {
	return [][]string{{"name", out.GetName()}, {"by", out.GetBy()}, {"scopes", strings.Join(out.GetScopes(), " ")}, {"until", moment(out.GetExpiresAt())}}
}
