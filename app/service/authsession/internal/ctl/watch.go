package ctl

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	pb "github.com/tgsession/tgsession/proto/admin"
)

const leastInterval = time.Second // between calls of a command that goes on

// pause waits; false: the user wants no more.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func overview(ctx context.Context, r *request) error {
	return plain(ctx, r, func(ctx context.Context, c pb.SessionAdminClient) (*pb.Overview, error) {
		return c.GetOverview(ctx, &pb.GetOverviewRequest{})
	}, overviewRows)
}

func overviewRows(o *pb.Overview) [][]string {
	rows := [][]string{
		{"live", id(o.GetLive())},
		{"online", id(o.GetOnline()) + " within " + o.GetOnlineWithin().AsDuration().String()},
		{"unconfirmed", id(o.GetUnconfirmed())},
		{"ended", id(o.GetEnded())},
		{"counted", moment(o.GetCountedAt())},
		{"sign-ins", signIns(o)},
	}
	e := o.GetEvents()
	if e.GetEnabled() {
		rows = append(rows, []string{"events", fmt.Sprintf("%d%s wait, the oldest for %v", e.GetWaiting(), plus(e.GetWaitingAtLeast()), e.GetLag().AsDuration().Round(time.Millisecond))})
	}
	for _, w := range o.GetWebhooks() {
		if w.GetRemoved() {
			rows = append(rows, []string{"webhook " + w.GetName(), fmt.Sprintf("not configured, %d%s dead letters", w.GetDead(), plus(w.GetDeadAtLeast()))})
			continue
		}
		rows = append(rows, []string{"webhook " + w.GetName(), fmt.Sprintf("%d batches behind, %d%s dead letters", w.GetBehind(), w.GetDead(), plus(w.GetDeadAtLeast()))})
	}
	for _, c := range o.GetCleanUps() {
		rows = append(rows, []string{"clean-up", fmt.Sprintf("%s %s on %s: %d sessions, %d rows removed, %v", moment(c.GetAt()), c.GetResult(), c.GetNode(), c.GetSessions(), c.GetRemoved(), c.GetTook().AsDuration())})
	}
	return rows
}

// signIns are those of the last whole minute, and of the hour.
func signIns(o *pb.Overview) string {
	list, hour, minute := o.GetSignIns(), int64(0), int64(0)
	for i, m := range list {
		if hour += m.GetCount(); i == len(list)-2 {
			minute = m.GetCount()
		}
	}
	return fmt.Sprintf("%d in the last minute, %d in the hour", minute, hour)
}

func plus(more bool) string {
	if more {
		return "+"
	}
	return ""
}

// watch shows the live numbers again and again, a line each time.
func watch(ctx context.Context, r *request) error {
	r.remote()
	every := r.Duration("interval", 5*time.Second, "`time` between two lines, at least 1s")
	count := r.Int("count", 0, "lines; 0: until it is interrupted")
	if err := r.nothing(); err != nil {
		return err
	}
	if *every < leastInterval || *count < 0 {
		return misuse("--interval must be 1s or more, and --count not negative")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	const form = "%-20s %10s %10s %12s %12s %10s %10s\n"
	for n := 0; ; {
		o, err := client.GetOverview(ctx, &pb.GetOverviewRequest{})
		switch {
		case err != nil && ctx.Err() != nil:
			return nil //nolint:nilerr // the user has interrupted it
		case err != nil && n > 0:
			return partially(err)
		case err != nil:
			return err
		case r.output == "json":
			err = line(r.stdout, o)
		default:
			if n%20 == 0 {
				fmt.Fprintf(r.stdout, form, "TIME", "LIVE", "ONLINE", "SIGN-INS/MIN", "UNCONFIRMED", "LAG", "DEAD")
			}
			minute, dead := int64(0), int64(0)
			if list := o.GetSignIns(); len(list) > 1 {
				minute = list[len(list)-2].GetCount()
			}
			for _, w := range o.GetWebhooks() {
				dead += w.GetDead()
			}
			_, err = fmt.Fprintf(r.stdout, form, moment(o.GetAt()), id(o.GetLive()), id(o.GetOnline()), id(minute), id(o.GetUnconfirmed()),
				o.GetEvents().GetLag().AsDuration().Round(time.Millisecond).String(), id(dead))
		}
		if n++; err != nil || n == *count || !pause(ctx, *every) {
			return err
		}
	}
}

// events shows events of sessions as they are published.
func events(ctx context.Context, r *request) error {
	r.remote()
	in := &pb.ListEventsRequest{PageSize: pageSize}
	r.Int64Var(&in.UserId, "user", 0, "only events of this user `id`")
	r.StringVar(&in.Type, "type", "", "only this `type`, as session.revoked")
	r.StringVar(&in.After, "after", "", "begin behind this `place`, which an earlier command told; oldest: with the oldest that is kept; else with what comes from now on")
	once := r.Bool("once", false, "show what there is, and end")
	every := r.Duration("interval", leastInterval, "`time` between two looks, at least 1s")
	if err := r.nothing(); err != nil {
		return err
	}
	if *every < leastInterval {
		return misuse("--interval must be 1s or more")
	}
	ctx, client, err := r.connect(ctx)
	if err != nil {
		return err
	}
	for shown := 0; ; {
		page, err := client.ListEvents(ctx, in)
		if err != nil {
			if in.After != "" && in.After != "oldest" {
				fmt.Fprintf(r.stderr, "go on with: --after %s\n", printable(in.After))
			}
			switch {
			case ctx.Err() != nil:
				return nil //nolint:nilerr // the user has interrupted it
			case shown > 0:
				return partially(err)
			}
			return err
		}
		for _, e := range page.GetEvents() {
			if err := r.event(e); err != nil {
				return err
			}
			shown++
		}
		done := in.After == page.GetNext()
		in.After = page.GetNext()
		if *once && (done || len(page.GetEvents()) < pageSize) {
			fmt.Fprintf(r.stderr, "go on with: --after %s\n", printable(in.After))
			return nil
		}
		if len(page.GetEvents()) < pageSize && !pause(ctx, *every) {
			fmt.Fprintf(r.stderr, "go on with: --after %s\n", printable(in.After))
			return nil
		}
	}
}

// event shows one: as a line of a table, or as it is on the stream.
func (r *request) event(e *pb.SessionEvent) error {
	if r.output == "json" {
		_, err := fmt.Fprintln(r.stdout, strings.TrimSpace(e.GetBody()))
		return err
	}
	var body struct {
		Reason  string `json:"reason"`
		Actor   string `json:"actor"`
		Session struct {
			Hash   string `json:"hash"`
			UserID string `json:"user_id"`
			Device string `json:"device_model"`
			IP     string `json:"ip"`
		} `json:"session"`
	}
	_ = json.Unmarshal([]byte(e.GetBody()), &body) // what cannot be read is left empty
	_, err := fmt.Fprintf(r.stdout, "%s  %-16s  user %s  %s  %s\n", moment(e.GetAt()), printable(e.GetType()), printable(body.Session.UserID), printable(body.Session.Hash),
		printable(strings.Join(strings.Fields(strings.Join([]string{body.Reason, body.Actor, body.Session.Device, body.Session.IP}, " ")), " ")))
	return err
}
