package sessions

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
	"github.com/tgsession/tgsession/app/service/authsession/internal/revocation"
)

// Manager is the session manager. Its methods may be called from any
// goroutine.
type Manager struct {
	dao       *dao.Dao
	nodes     *revocation.Notifier
	announces atomic.Bool
	window    int // sessions of a user that are read at a time, where all are
}

// New returns a manager of the logins in d that tells nodes of those it ends. If
// it announces, it has the other devices of a user told of a login that waits to
// be confirmed, and when it is.
func New(d *dao.Dao, nodes *revocation.Notifier, announces bool) *Manager {
	m := &Manager{dao: d, nodes: nodes, window: userWindow}
	m.announces.Store(announces)
	return m
}

// SetAnnounces changes whether it announces, from the next sign-in on.
func (m *Manager) SetAnnounces(announces bool) { m.announces.Store(announces) }

// List returns a page of the sessions that f selects, by when they signed in, the
// latest first, and the token of the next page, empty after the last. A page may be shorter than
// asked for, even empty, with pages after it: every page costs the same,
// however rare what f selects.
func (m *Manager) List(ctx context.Context, f Filter, p Page) (list []Session, next string, err error) {
	if p.Sort != BySignIn {
		return m.listByActivity(ctx, f, p)
	}
	after, err := f.position(p.Token)
	if err != nil {
		return nil, "", err
	}
	size := p.Size
	if size <= 0 {
		size = DefaultPageSize
	}
	wanted := f.wanted()
	records, at, err := m.dao.Page(ctx, wanted, after, min(size, MaxPageSize))
	if err != nil {
		return nil, "", err
	}
	list = make([]Session, len(records))
	for i := range records {
		list[i] = session(&records[i])
	}
	return list, f.token(at), nil
}

// Get returns the session with the given hash, live or ended.
func (m *Manager) Get(ctx context.Context, hash int64) (Session, error) {
	return m.GetSelected(ctx, hash, Filter{})
}

// GetSelected is Get of a session that f selects; ErrNotFound when it selects none with
// the hash.
func (m *Manager) GetSelected(ctx context.Context, hash int64, f Filter) (Session, error) {
	records, err := m.dao.WithHash(ctx, hash)
	if err != nil {
		return Session{}, err
	}
	wanted := f.wanted()
	i := slices.IndexFunc(records, func(r dao.Record) bool { return wanted.Selects(&r) })
	if i < 0 {
		return Session{}, ErrNotFound
	}
	return session(&records[i]), nil
}

// FindByKey returns the live session on a perm key, or on that which a temp
// key is bound to.
func (m *Manager) FindByKey(ctx context.Context, authKeyID int64) (Session, error) {
	key, err := m.dao.Key(ctx, authKeyID)
	if err == nil {
		var record dao.Record
		if record, err = m.dao.LiveOn(ctx, key.PermAuthKeyID); err == nil {
			return session(&record), nil
		}
	}
	if errors.Is(err, dao.ErrNotFound) {
		err = ErrNotFound
	}
	return Session{}, err
}

// Devices lists the live sessions of a user, the one active last first, at
// most 10,000, and says which of them owe the second factor.
func (m *Manager) Devices(ctx context.Context, userID int64) ([]Device, error) {
	records, err := m.dao.LiveOf(ctx, userID)
	if err != nil {
		return nil, err
	}
	list := make([]Device, len(records))
	for i := range records {
		list[i] = Device{Session: session(&records[i]), PasswordPending: records[i].PasswordPending}
	}
	return list, nil
}

// SignIn logs a user in on a perm key and returns the session's hash; newHash
// is it unless the user was logged in on the key before. It ends the session
// of whoever was on the key, and what the user's policy does not let stay;
// their session nodes are told, but that of the key answerTo.
func (m *Manager) SignIn(ctx context.Context, perm, userID, newHash, answerTo int64) (hash int64, err error) {
	done, err := m.dao.SignIn(ctx, perm, userID, newHash)
	if err != nil {
		return 0, err
	}
	m.tell(ctx, done.Ended, answerTo)
	m.announce(ctx, done.Begun)
	if len(done.Replaced) > 0 && perm != answerTo {
		m.nodes.LookAgain(ctx, map[int64][]int64{done.Replaced[0].UserID: {perm}})
	}
	return done.Hash, nil
}

// SetPasswordPending notes on a perm key what a call says of the second factor.
// When it is owed no longer, a sign-in is complete, and the user's policy
// applies.
func (m *Manager) SetPasswordPending(ctx context.Context, perm int64, p logins.Pending) error {
	done, err := m.dao.SetPending(ctx, perm, p)
	m.tell(ctx, done.Ended, perm)
	m.announce(ctx, done.Begun)
	return err
}

// Idle is one way through the sessions that nobody has used for olderThan, or, where
// their user has a TTL, for that.
func (m *Manager) Idle(olderThan time.Duration) *Idle {
	before := m.idleSince(olderThan)
	return &Idle{m: m, before: before, scan: m.dao.ScanIdle(before)}
}

// Idle ends sessions that nobody uses, some with each call. One goroutine
// uses it.
type Idle struct {
	m      *Manager
	before int64
	scan   *dao.IdleScan
	stayed []int64 // the rows of the last batch, if none of them ended
}

// Revoke ends up to limit sessions, from where the call before has ended. It returns
// them, after an error those that had ended before it, and whether there may be more.
// A batch whose sessions are all in use again is not the end: others come after it. The
// same batch again is, since sessions of users with a TTL are looked for from the
// beginning each time, and one that looks expired and does not end would be found for ever.
func (i *Idle) Revoke(ctx context.Context, limit int, by By) (list []Revoked, more bool, err error) {
	for len(list) < limit {
		batch := min(limit-len(list), inactiveBatch)
		ids, err := i.scan.Next(ctx, batch)
		if err != nil || len(ids) == 0 {
			return list, err != nil, err
		}
		ended, err := i.m.dao.EndIdle(ctx, ids, i.before, by.who())
		if err != nil {
			return list, true, err
		}
		i.m.tell(ctx, ended, by.AnswerTo)
		list = append(list, revoked(ended)...)
		if len(ids) < batch || len(ended) == 0 && slices.Equal(ids, i.stayed) {
			return list, false, nil
		}
		if i.stayed = nil; len(ended) == 0 {
			i.stayed = ids
		}
	}
	return list, true, nil
}

// CountInactive counts what Idle.Revoke would end, up to limit, and says whether
// there are more.
func (m *Manager) CountInactive(ctx context.Context, olderThan time.Duration, limit int) (n int, more bool, err error) {
	n, err = m.dao.CountIdle(ctx, m.idleSince(olderThan))
	return min(n, limit), n > limit, err
}

// idleSince is when a session that has been idle for d was last used, in Unix
// seconds.
func (m *Manager) idleSince(d time.Duration) int64 { return m.dao.Now() - int64(d/time.Second) }

// inactiveBatch is how many sessions end in one transaction.
const inactiveBatch = 500

// Policy returns what a user's own settings are; zero members are as
// configured for all.
func (m *Manager) Policy(ctx context.Context, userID int64) (logins.Policy, error) {
	return m.dao.Policy(ctx, userID)
}

// SetPolicy replaces a user's own settings. A strategy governs sign-ins from
// then on; a TTL counts at once.
func (m *Manager) SetPolicy(ctx context.Context, userID int64, p logins.Policy) error {
	return m.dao.SetPolicy(ctx, userID, p)
}

// ChangePolicy changes those of a user's own settings that c names, and returns
// all of them.
func (m *Manager) ChangePolicy(ctx context.Context, userID int64, c PolicyChange) (logins.Policy, error) {
	return m.dao.ChangePolicy(ctx, userID, func(p *logins.Policy) {
		if c.TTLDays != nil {
			p.TTLDays = *c.TTLDays
		}
		if c.Strategy != nil {
			p.Strategy = *c.Strategy
		}
		if c.Limit != nil {
			p.Limit = *c.Limit
		}
	})
}

// SetTTL replaces a user's TTL alone (account.setAuthorizationTTL); it counts
// at once.
func (m *Manager) SetTTL(ctx context.Context, userID int64, days int) error {
	return m.dao.SetTTL(ctx, userID, days)
}

// Change changes what a user may set of one of their live sessions
// (account.changeAuthorizationSettings); a hash that is not one is ErrNotFound.
func (m *Manager) Change(ctx context.Context, userID, hash int64, s Settings) error {
	err := m.dao.ChangeLogin(ctx, userID, hash, dao.LoginSettings(s))
	if errors.Is(err, dao.ErrNotFound) {
		return ErrNotFound
	}
	if err == nil && s.Confirmed {
		m.confirmed(ctx, userID, hash)
	}
	return err
}

// Statistics counts all sessions. It reads an index from end to end.
func (m *Manager) Statistics(ctx context.Context) (Statistics, error) {
	counts, err := m.dao.Count(ctx)
	if err != nil {
		return Statistics{}, err
	}
	out := Statistics{Ended: counts.Ended, Unconfirmed: counts.Unconfirmed, ByDeviceType: map[string]int64{}}
	for kind, n := range counts.Live {
		if kind == "" { // of a stock node, which does not classify
			kind = device.Other
		}
		out.ByDeviceType[kind] += n
		out.Live += n
	}
	return out, nil
}

// tell tells session nodes of ended sessions, but that of the key answerTo.
func (m *Manager) tell(ctx context.Context, ended []dao.Ended, answerTo int64) {
	users := map[int64][]int64{}
	for _, e := range ended {
		if e.AuthKeyID != answerTo {
			users[e.UserID] = append(users[e.UserID], e.AuthKeyID)
		}
	}
	m.nodes.TellAll(ctx, users)
}

func revoked(ended []dao.Ended) []Revoked {
	list := make([]Revoked, len(ended))
	for i := range ended {
		list[i] = Revoked{Session: session(&ended[i].Record), TempAuthKeyIDs: ended[i].TempKeyIDs}
	}
	return list
}

func session(r *dao.Record) Session {
	app, platform := device.App(r.Client.Device())
	return Session{
		Hash: r.Hash, UserID: r.UserID, AuthKeyID: r.AuthKeyID,
		DeviceType: r.DeviceType, DeviceModel: r.Client.DeviceModel, Platform: platform, SystemVersion: r.Client.SystemVersion,
		AppName: app, AppVersion: r.Client.AppVersion, LangCode: r.Client.LangCode, APIID: r.Client.APIID, Layer: r.Client.Layer,
		IP: r.Client.IP, Country: r.Country, Region: r.Region, Addresses: addresses(r),
		SignedIn: dao.Time(r.SignedIn), LastActive: dao.Time(r.LastActive), ExpiresAt: dao.Time(r.ExpiresAt),
		RevokedAt: dao.Time(r.RevokedAt), RevokeReason: r.Reason, RevokedBy: r.RevokedBy,
		RevokeNote: r.RevokeNote, RevokeTicket: r.RevokeTicket,
		Unconfirmed: r.Unconfirmed, EncryptedRequestsDisabled: r.EncryptedRequestsDisabled, CallRequestsDisabled: r.CallRequestsDisabled,
	}
}

func addresses(r *dao.Record) []Address {
	noted := r.Addresses()
	list := make([]Address, len(noted))
	for i, a := range noted {
		list[i] = Address{IP: a.IP, Country: a.Country, Region: a.Region, First: dao.Time(a.First), Last: dao.Time(a.Last)}
	}
	return list
}
