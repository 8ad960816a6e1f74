package ctl

import (
	"context"
	"fmt"
	"math"

	pb "github.com/tgsession/tgsession/proto/admin"
)

const pageSize = 500 // the most that a node gives

func list(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.ListSessionsRequest{}
	r.Int64Var(&in.UserId, "user", 0, "only sessions of this user `id`")
	r.StringVar(&in.DeviceType, "type", "", "only this device `type`: android, ios, desktop, web, bot or other")
	apiID := r.Int("api-id", 0, "only this app")
	live := r.Bool("live", false, "only live sessions")
	ended := r.Bool("ended", false, "only ended sessions, with the time of their end; the latest sign-in comes first, not the latest end")
	r.StringVar(&in.Q, "search", "", "a user's id, a session's hash, an address, a network, or a part of device model, app or system version")
	r.StringVar(&in.Ip, "ip", "", "only sessions seen last at this `address`, or in this network, as 192.0.2.0/24")
	r.StringVar(&in.Country, "country", "", "only this country, by its `code` of two letters")
	r.StringVar(&in.Platform, "platform", "", "only this `platform`, as iOS")
	r.StringVar(&in.DeviceModel, "device-model", "", "only device models with this `part`")
	r.moment(&in.SignedInAfter, "signed-in-after", "signed in then or later")
	r.moment(&in.SignedInBefore, "signed-in-before", "signed in earlier")
	r.moment(&in.ActiveAfter, "active-after", "used last then or later")
	r.moment(&in.ActiveBefore, "active-before", "used last earlier")
	r.StringVar(&in.Sort, "sort", "", "`order`: signed_in, last_active or idle (idle longest first); the last two with --live")
	r.BoolVar(&in.Total, "total", false, "count what there is, too")
	limit := r.Int("limit", 100, "sessions at most; 0: all")
	r.StringVar(&in.PageToken, "page-token", "", "go on where an earlier list stopped")
	if err := r.nothing(); err != nil {
		return err
	}
	switch {
	case *live && *ended:
		return misuse("--live and --ended exclude each other")
	case *live || *ended:
		in.Active = live
	case *limit < 0:
		return misuse("--limit must not be negative")
	}
	if *apiID < 0 || *apiID > math.MaxInt32 {
		return misuse("--api-id is out of bounds")
	}
	in.ApiId = int32(*apiID)
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	return r.pages(ctx, client, in, *limit, *ended)
}

// pages shows each page when it comes: a list that breaks off has shown what it
// had, and says where to go on. ended adds the column ENDED.
func (r *request) pages(ctx context.Context, client pb.SessionAdminClient, in *pb.ListSessionsRequest, limit int, ended bool) error {
	titles, row := sessionTitles, sessionRow
	if ended {
		titles, row = endedTitles, endedRow
	}
	out := r.stream("sessions", titles)
	shown := 0
	var more []member // after the list
	for {
		in.PageSize = pageSize
		if left := limit - shown; limit > 0 && left < pageSize {
			in.PageSize = int32(left)
		}
		page, err := client.ListSessions(ctx, in)
		if err != nil {
			if out.begun() {
				err = partially(err)
				r.goOn(in.PageToken)
			}
			return out.end(err, member{"next_page_token", in.PageToken})
		}
		for _, s := range page.Sessions {
			if err := out.add(s, row(s)); err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
		shown += len(page.Sessions)
		if in.Total {
			more = append(more, member{"total", page.GetTotal()}, member{"total_at_least", page.GetTotalAtLeast()})
			if r.output == "table" {
				fmt.Fprintf(r.stderr, "%d%s in all\n", page.GetTotal(), plus(page.GetTotalAtLeast()))
			}
			in.Total = false // once is enough
		}
		if in.PageToken = page.NextPageToken; in.PageToken == "" || limit > 0 && shown >= limit {
			r.goOn(in.PageToken)
			return out.end(nil, append([]member{{"next_page_token", in.PageToken}}, more...)...)
		}
	}
}

// goOn says how to see the rest.
func (r *request) goOn(token string) {
	if token != "" && r.output == "table" {
		fmt.Fprintf(r.stderr, "there are more: --page-token %s\n", printable(token))
	}
}
