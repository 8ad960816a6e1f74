package sessions

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
)

// Match narrows sessions by what is known of their devices and times. Each member
// that is not empty has to fit, of a list one value; its zero value fits all.
type Match struct {
	Networks    []netip.Prefix // of the address seen last
	Countries   []string       // ISO codes, as in Session.Region; case does not matter
	APIIDs      []int32
	Platforms   []string // as in Session.Platform; case does not matter
	DeviceTypes []string
	DeviceModel string // part of it; case does not matter
	Text        string // part of device model, app or system version; case does not matter

	SignedInAfter, SignedInBefore time.Time // then or later; earlier
	ActiveAfter, ActiveBefore     time.Time // likewise
}

func (m *Match) stored() dao.Match {
	return dao.Match{
		Networks: m.Networks, Regions: cased(m.Countries, strings.ToUpper), APIIDs: m.APIIDs,
		Platforms: cased(m.Platforms, strings.ToLower), Types: m.DeviceTypes, Model: m.DeviceModel, Text: m.Text,
		SignedInFrom: seconds(m.SignedInAfter), SignedInBefore: seconds(m.SignedInBefore),
		ActiveFrom: seconds(m.ActiveAfter), ActiveBefore: seconds(m.ActiveBefore),
	}
}

// Empty reports whether everything fits.
func (m *Match) Empty() bool {
	stored := m.stored()
	return stored.Empty()
}

func cased(list []string, change func(string) string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = change(list[i])
	}
	return list
}

// seconds rounds up to the second, as dates are stored.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Second - 1).Unix()
}

// Bulk selects live sessions of any users.
type Bulk struct {
	Match
	UserIDs     []int64 // none: of all users
	ExceptUsers []int64 // whose sessions stay
}

// BulkRevoked is what came of a part of a bulk revocation.
type BulkRevoked struct {
	Matched  int
	Ended    []Revoked // none in a dry run
	Named    []Session // the first that match, in a dry run
	Examined int       // rows that were looked at
	Next     string    // token to go on with; empty: all was looked at
}

const (
	bulkWindows = 8 // of 5,000 rows, in one call
	bulkTime    = 2 // part of the time of a call after which no other window begins
)

// RevokeMatching ends up to limit of the live sessions that b selects, from where
// the call that gave out token has stopped, and returns them, after an error those
// that had ended before it. It looks at 40,000 rows at most, and at fewer where the
// time of ctx runs out: then there is a token to go on with. A dry run counts all that
// match among the rows that it looks at, and names limit of them.
func (m *Manager) RevokeMatching(ctx context.Context, b Bulk, limit int, dryRun bool, token string, by By) (out BulkRevoked, err error) {
	after, err := b.position(token)
	if err != nil {
		return out, err
	}
	if !dryRun {
		ctx = dao.Deciding(ctx)
	}
	began := time.Now()
	scan := m.dao.ScanMatch(b.stored(), b.UserIDs, after)
	for window := 0; window < bulkWindows && !scan.Over(); window++ {
		if deadline, ok := ctx.Deadline(); ok && window > 0 && time.Since(began) > deadline.Sub(began)/bulkTime {
			break
		}
		if !dryRun && len(out.Ended) >= limit {
			break
		}
		most := dao.AnyNumber
		if !dryRun {
			most = limit - len(out.Ended)
		}
		list, examined, err := scan.Next(ctx, most)
		if err != nil {
			return out, err
		}
		out.Examined += examined
		list = slices.DeleteFunc(list, func(r dao.Record) bool { return slices.Contains(b.ExceptUsers, r.UserID) })
		out.Matched += len(list)
		if dryRun {
			for i := range list[:min(len(list), max(0, limit-len(out.Named)))] {
				out.Named = append(out.Named, session(&list[i]))
			}
			continue
		}
		ended, err := m.dao.End(ctx, list, by.Reason, by.who())
		m.tell(ctx, ended, by.AnswerTo)
		out.Ended = append(out.Ended, revoked(ended)...)
		if err != nil {
			return out, err
		}
	}
	if !scan.Over() {
		out.Next = b.token(scan.Position())
	}
	return out, nil
}

// token is a position in the scan of one selection, and a mark of it.
func (b *Bulk) token(at dao.MatchPosition) string { return seal(at.UserID, at.ID, b.mark()) }

func (b *Bulk) position(token string) (dao.MatchPosition, error) {
	if token == "" {
		return dao.MatchPosition{}, nil
	}
	userID, id, ok := unseal(token, b.mark())
	if !ok || userID < 0 || id < 0 {
		return dao.MatchPosition{}, ErrBadToken
	}
	return dao.MatchPosition{UserID: userID, ID: id}, nil
}

// mark tells selections apart, so that a token is not used with another by mistake.
func (b *Bulk) mark() uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "bulk %v %v %v", b.stored(), b.UserIDs, b.ExceptUsers)
	return h.Sum32()
}
