package ctl

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/tgsession/tgsession/app/internal/conf"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// bulkBatch is how many sessions a call ends: as many as an error can name.
const bulkBatch = 200

var matchTitles = []string{"MATCHED", "ENDED", "MORE", "DRY RUN"}

func bulkRevoke(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.RevokeMatchingRequest{Match: &pb.SessionMatch{}}
	m := in.Match
	var apps, users, except numbers
	r.Var((*words)(&m.Networks), "network", "sessions seen last in this `network`, as 192.0.2.0/24; may be repeated")
	r.Var((*words)(&m.Countries), "country", "in this country, by its `code` of two letters; may be repeated")
	r.Var(&apps, "api-id", "of this app, by its `id`; may be repeated")
	r.Var((*words)(&m.Platforms), "platform", "on this `platform`, as iOS; may be repeated")
	r.Var((*words)(&m.DeviceTypes), "type", "on this device `type`; may be repeated")
	r.Var(&users, "user", "of this user `id`; may be repeated")
	usersFile := r.String("users-file", "", "of the users whose ids are in this `file`, one a line or with commas")
	r.Var(&except, "except-user", "but not those of this user `id`; may be repeated")
	r.moment(&m.SignedInAfter, "signed-in-after", "signed in then or later")
	r.moment(&m.SignedInBefore, "signed-in-before", "signed in earlier")
	r.moment(&m.ActiveAfter, "active-after", "used last then or later")
	r.moment(&m.ActiveBefore, "active-before", "used last earlier")
	limit := r.Int("limit", 0, "sessions at most; 0: all that match")
	r.StringVar(&in.PageToken, "page-token", "", "go on where an earlier command stopped")
	r.BoolVar(&in.DryRun, "dry-run", false, "count the sessions, name some, and end none")
	yes := r.Bool("yes", false, "end more than one session")
	r.change(&in.Reason, &in.Ticket)
	if err := r.nothing(); err != nil {
		return err
	}
	if *limit < 0 || *limit > math.MaxInt32 {
		return misuse("--limit is out of bounds")
	}
	if *usersFile != "" {
		text, err := conf.ReadFile(*usersFile)
		if err != nil {
			return fmt.Errorf("--users-file: %w", err)
		}
		if err := users.Set(strings.Join(strings.Fields(string(text)), ",")); err != nil {
			return misuse("--users-file: %v", err)
		}
	}
	for _, id := range apps {
		if id < 1 || id > math.MaxInt32 {
			return misuse("--api-id is out of bounds")
		}
		m.ApiIds = append(m.ApiIds, int32(id))
	}
	m.UserIds, in.ExceptUserIds = users, except
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	return r.bulk(ctx, client, in, *limit, *yes)
}

// bulk goes over the users in parts, as a call takes at most a thousand.
func (r *request) bulk(ctx context.Context, client pb.SessionAdminClient, in *pb.RevokeMatchingRequest, limit int, yes bool) error {
	users := in.Match.UserIds
	parts := [][]int64{nil}
	if len(users) > 0 {
		parts = nil
		for len(users) > 0 {
			n := min(len(users), 1000)
			parts, users = append(parts, users[:n]), users[n:]
		}
	}
	if len(parts) > 1 && in.PageToken != "" {
		return misuse("--page-token goes with a thousand users at most")
	}
	if !yes && !in.DryRun {
		n, err := r.matching(ctx, client, in, parts)
		if err != nil {
			return err
		}
		if n > 1 {
			return misuse("%d sessions would end: end them with --yes, or see them with --dry-run", n)
		}
	}
	b := &bulkRun{r: r, client: client, out: r.stream("results", resultTitles), limit: limit}
	for _, part := range parts {
		in.Match.UserIds = part
		if err := b.all(ctx, in); err != nil {
			return b.end(in, err)
		}
	}
	return b.end(in, nil)
}

// matching counts what would end.
func (r *request) matching(ctx context.Context, client pb.SessionAdminClient, in *pb.RevokeMatchingRequest, parts [][]int64) (n int, err error) {
	for _, part := range parts {
		token := in.PageToken
		for more := true; more; {
			match := &pb.SessionMatch{
				Networks: in.Match.Networks, Countries: in.Match.Countries, ApiIds: in.Match.ApiIds, Platforms: in.Match.Platforms,
				DeviceTypes: in.Match.DeviceTypes, UserIds: part, SignedInAfter: in.Match.SignedInAfter, SignedInBefore: in.Match.SignedInBefore,
				ActiveAfter: in.Match.ActiveAfter, ActiveBefore: in.Match.ActiveBefore,
			}
			done, err := client.RevokeMatching(ctx, &pb.RevokeMatchingRequest{Match: match, ExceptUserIds: in.ExceptUserIds, Limit: 1, DryRun: true, PageToken: token})
			if err != nil {
				return n, err
			}
			n += int(done.GetMatched())
			token, more = done.GetNextPageToken(), done.GetMore()
		}
	}
	return n, nil
}

// bulkRun is a bulk revocation under way.
type bulkRun struct {
	r              *request
	client         pb.SessionAdminClient
	out            *stream
	limit          int
	matched, ended int
	more           bool
}

// all ends what one request matches, in calls of a few, and shows what each has ended.
func (b *bulkRun) all(ctx context.Context, in *pb.RevokeMatchingRequest) error {
	for more := true; more; {
		in.Limit = bulkBatch
		if left := b.limit - b.ended; b.limit > 0 {
			if left <= 0 {
				b.more = true
				return nil
			}
			in.Limit = int32(min(bulkBatch, left))
		}
		done, err := b.client.RevokeMatching(ctx, in)
		list, what := done.GetSessions(), resultEnded
		if in.DryRun {
			what = resultWould
		}
		if err != nil {
			list = endedBefore(err)
		}
		for _, e := range list {
			one := result{e.GetHash(), e.GetUserId(), what}
			if err := b.out.add(one, one.row()); err != nil {
				return err
			}
		}
		if err != nil && len(list) == 0 {
			b.more = true
			return err
		}
		if err := b.out.flush(); err != nil {
			return err
		}
		if !in.DryRun {
			b.ended += len(list)
		}
		if err != nil {
			b.matched += len(list)
			b.more = true
			return err
		}
		b.matched += int(done.GetMatched())
		in.PageToken, more = done.GetNextPageToken(), done.GetMore()
	}
	return nil
}

// end shows what it came to, and, after an error, where to go on.
func (b *bulkRun) end(in *pb.RevokeMatchingRequest, failure error) error {
	if failure != nil && b.ended > 0 {
		failure = partially(failure)
	}
	if b.r.output == "json" {
		return b.out.end(failure, member{"matched", b.matched}, member{"ended", b.ended}, member{"more", b.more}, member{"next_page_token", in.PageToken})
	}
	if failure != nil && b.matched == 0 {
		return failure
	}
	if b.more {
		b.r.goOn(in.PageToken)
	}
	fmt.Fprintln(b.r.stdout)
	if err := b.r.rows([][]string{matchTitles, {fmt.Sprint(b.matched), fmt.Sprint(b.ended), yesNo(b.more), yesNo(in.DryRun)}}); err != nil {
		return err
	}
	return failure
}
