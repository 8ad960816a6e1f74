package admin

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	pb "github.com/tgsession/tgsession/proto/admin"
)

// Bounds of what selects sessions.
const (
	defaultBulk = 200
	maxBulk     = 1000
	maxValues   = 100
	maxUsers    = 1000
	maxPart     = 64 // characters of a part of a text
)

// RevokeMatching returns what was ended beside an error, too.
func (s *impl) RevokeMatching(ctx context.Context, in *pb.RevokeMatchingRequest) (*pb.RevokeMatchingReply, error) {
	if err := validChange(in); err != nil {
		return nil, err
	}
	b, err := bulk(in)
	if err != nil {
		return nil, err
	}
	limit := int(in.GetLimit())
	switch {
	case limit < 0:
		return nil, invalid("limit", "must not be negative")
	case limit == 0:
		limit = defaultBulk
	case len(in.GetPageToken()) > maxPageToken:
		return nil, invalid("page_token", "this list did not give it out")
	}
	done, err := s.sessions.RevokeMatching(ctx, b, min(limit, maxBulk), in.GetDryRun(), in.GetPageToken(), by(ctx))
	out := &pb.RevokeMatchingReply{
		Matched: int32(done.Matched), Ended: int32(len(done.Ended)), More: done.Next != "" || err != nil,
		NextPageToken: done.Next, Examined: int32(done.Examined), Sessions: endedSessions(done.Ended),
	}
	for i := range done.Named {
		out.Sessions = append(out.Sessions, named(&done.Named[i]))
	}
	return out, fault(ctx, err)
}

func bulk(in *pb.RevokeMatchingRequest) (b sessions.Bulk, err error) {
	m := in.GetMatch()
	for name, n := range map[string]int{
		"networks": len(m.GetNetworks()), "countries": len(m.GetCountries()), "api_ids": len(m.GetApiIds()),
		"platforms": len(m.GetPlatforms()), "device_types": len(m.GetDeviceTypes()),
	} {
		if n > maxValues {
			return b, invalid("match", "%s has more than %d values", name, maxValues)
		}
	}
	if len(m.GetUserIds()) > maxUsers || len(in.GetExceptUserIds()) > maxUsers {
		return b, invalid("match", "user_ids and except_user_ids have at most %d values", maxUsers)
	}
	for _, id := range slices.Concat(m.GetUserIds(), in.GetExceptUserIds()) {
		if id <= 0 {
			return b, invalid("user_ids", "must be above 0")
		}
	}
	b.UserIDs, b.ExceptUsers = m.GetUserIds(), in.GetExceptUserIds()
	b.APIIDs, b.DeviceTypes, b.Platforms = m.GetApiIds(), m.GetDeviceTypes(), m.GetPlatforms()
	for _, id := range b.APIIDs {
		if id <= 0 {
			return b, invalid("api_ids", "must be above 0")
		}
	}
	for _, kind := range b.DeviceTypes {
		if kind == "" || !device.Known(kind) {
			return b, invalid("device_types", "there is no type %q; there are %s", printed(kind), strings.Join(device.Types, ", "))
		}
	}
	for _, text := range m.GetNetworks() {
		n, err := networkOf("networks", text)
		if err != nil {
			return b, err
		}
		b.Networks = append(b.Networks, n)
	}
	for _, code := range m.GetCountries() {
		if b.Countries, err = country("countries", b.Countries, code); err != nil {
			return b, err
		}
	}
	for _, name := range b.Platforms {
		if name == "" || utf8.RuneCountInString(name) > maxPart {
			return b, invalid("platforms", "must have from 1 to %d characters", maxPart)
		}
	}
	if err := times(&b.Match, m); err != nil {
		return b, err
	}
	if len(b.UserIDs) == 0 && b.Empty() {
		return b, invalid("match", "is empty: it would select all sessions of all users")
	}
	return b, nil
}

// spans has the times that select sessions.
type spans interface {
	GetSignedInAfter() *timestamppb.Timestamp
	GetSignedInBefore() *timestamppb.Timestamp
	GetActiveAfter() *timestamppb.Timestamp
	GetActiveBefore() *timestamppb.Timestamp
}

func times(m *sessions.Match, in spans) (err error) {
	for _, one := range []struct {
		name string
		said *timestamppb.Timestamp
		to   *time.Time
	}{
		{"signed_in_after", in.GetSignedInAfter(), &m.SignedInAfter},
		{"signed_in_before", in.GetSignedInBefore(), &m.SignedInBefore},
		{"active_after", in.GetActiveAfter(), &m.ActiveAfter},
		{"active_before", in.GetActiveBefore(), &m.ActiveBefore},
	} {
		if *one.to, err = moment(one.name, one.said); err != nil {
			return err
		}
	}
	return nil
}

// moment is a time that a request has; zero: it has none.
func moment(name string, t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if !t.IsValid() || t.GetSeconds() <= 0 {
		return time.Time{}, invalid(name, "must be a time after 1970")
	}
	return t.AsTime(), nil
}

// networkOf reads an address, or a network in CIDR form.
func networkOf(name, text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil || n.Addr().Is4In6() {
		return netip.Prefix{}, invalid(name, "%q is no address and no network like 192.0.2.0/24", printed(text))
	}
	return n.Masked(), nil
}

func country(name string, list []string, code string) ([]string, error) {
	if len(code) != 2 || strings.Trim(strings.ToUpper(code), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return nil, invalid(name, "%q is no code of a country, of two letters", printed(code))
	}
	return append(list, code), nil
}
