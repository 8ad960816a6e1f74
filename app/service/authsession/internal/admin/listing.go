package admin

import (
	"context"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

func (s *impl) ListSessions(ctx context.Context, in *pb.ListSessionsRequest) (*pb.ListSessionsReply, error) {
	f, err := filter(in)
	if err != nil {
		return nil, err
	}
	order := sessions.Sort(in.GetSort())
	if order == "signed_in" {
		order = sessions.BySignIn
	}
	switch {
	case order != sessions.BySignIn && order != sessions.ByLastActive && order != sessions.ByIdleness:
		return nil, invalid("sort", "there is no order %q; there are signed_in, last_active and idle", printed(in.GetSort()))
	case order != sessions.BySignIn && !in.GetActive():
		return nil, invalid("sort", "%s is an order of live sessions: it needs active=true", order)
	case in.GetPageSize() < 0:
		return nil, invalid("page_size", "must not be negative")
	case len(in.GetPageToken()) > maxPageToken:
		return nil, invalid("page_token", "this list did not give it out")
	}
	hash, isHash := hashIn(in.GetQ())
	if isHash && in.GetPageToken() == "" { // a number names a session, or a user
		if one, err := s.withHash(ctx, f, hash); one != nil || err != nil {
			return one, err
		}
	}
	if err := search(&f, in.GetQ()); err != nil {
		return nil, err
	}
	list, next, err := s.sessions.List(ctx, f, sessions.Page{Size: int(in.GetPageSize()), Token: in.GetPageToken(), Sort: order})
	if err != nil {
		return nil, fault(ctx, err)
	}
	out := &pb.ListSessionsReply{Sessions: make([]*pb.Session, len(list)), NextPageToken: next}
	for i := range list {
		out.Sessions[i] = message(&list[i])
	}
	if in.GetTotal() {
		if out.Total, out.TotalAtLeast, err = s.total(ctx, f); err != nil {
			return nil, fault(ctx, err)
		}
	}
	return out, nil
}

// total counts what a filter selects. All sessions are not counted for it.
func (s *impl) total(ctx context.Context, f sessions.Filter) (n int64, more bool, err error) {
	if f.UserID == 0 && f.APIID == 0 && f.DeviceType == "" && f.Match.Empty() {
		all, err := s.counts.get(ctx)
		switch {
		case err != nil:
			return 0, false, err
		case f.Active == nil:
			return all.Live + all.Ended, false, nil
		case *f.Active:
			return all.Live, false, nil
		}
		return all.Ended, false, nil
	}
	few, more, err := s.sessions.Count(ctx, f)
	return int64(few), more, err
}

// filter is what a request says of sessions, but for the text in its search box.
func filter(in *pb.ListSessionsRequest) (f sessions.Filter, err error) {
	f = sessions.Filter{UserID: in.GetUserId(), DeviceType: in.GetDeviceType(), APIID: in.GetApiId(), Active: in.Active}
	if err := validFilter(f.UserID, f.DeviceType); err != nil {
		return f, err
	}
	if f.APIID < 0 {
		return f, invalid("api_id", "must not be negative")
	}
	for name, text := range map[string]string{"q": in.GetQ(), "device_model": in.GetDeviceModel(), "platform": in.GetPlatform()} {
		if utf8.RuneCountInString(text) > maxPart {
			return f, invalid(name, "has more than %d characters", maxPart)
		}
	}
	if in.GetIp() != "" {
		n, err := networkOf("ip", in.GetIp())
		if err != nil {
			return f, err
		}
		f.Match.Networks = append(f.Match.Networks, n)
	}
	if in.GetCountry() != "" {
		if f.Match.Countries, err = country("country", nil, in.GetCountry()); err != nil {
			return f, err
		}
	}
	if in.GetPlatform() != "" {
		f.Match.Platforms = []string{in.GetPlatform()}
	}
	f.Match.DeviceModel = in.GetDeviceModel()
	return f, times(&f.Match, in)
}

// search makes of a text in a search box what it looks like.
func search(f *sessions.Filter, q string) error {
	number, isNumber := hashIn(q)
	_, err := netip.ParseAddr(q)
	_, err2 := netip.ParsePrefix(q)
	switch {
	case q == "":
		return nil
	case isNumber && f.UserID == 0:
		if f.UserID = number; number < 0 { // the hash of a session alone
			f.UserID = 0
			f.Match.Text = q
		}
		return nil
	case err == nil || err2 == nil:
		n, err := networkOf("q", q)
		if err == nil && len(f.Match.Networks) > 0 {
			err = invalid("q", "is an address, and so is ip")
		}
		f.Match.Networks = append(f.Match.Networks, n)
		return err
	}
	f.Match.Text = q
	return nil
}

func hashIn(q string) (int64, bool) {
	n, err := strconv.ParseInt(q, 10, 64)
	return n, err == nil && n != 0
}

// withHash lists the one session with a hash that a filter selects; nil: there is none.
func (s *impl) withHash(ctx context.Context, f sessions.Filter, hash int64) (*pb.ListSessionsReply, error) {
	found, err := s.sessions.GetSelected(ctx, hash, f)
	if err != nil {
		if err = fault(ctx, err); rpcerr.AnswerOf(err).Name == "NOT_FOUND" {
			err = nil
		}
		return nil, err
	}
	return &pb.ListSessionsReply{Sessions: []*pb.Session{message(&found)}, Total: 1}, nil
}
