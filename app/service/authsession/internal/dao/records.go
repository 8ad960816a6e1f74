package dao

import (
	"context"
	"fmt"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Record is all that is known of one login, live or ended: what the rules look at, and what
// is kept beside it. Its times are Unix seconds, 0 when not known. Its ID is negative for a
// login that another one on its key has followed: that is a row of auth_user_history, and
// none of auth_users has its ID.
type Record struct {
	logins.Login
	Client  Client
	Country string // of Client.IP
	Region  string

	RevokedAt int64
	RevokedBy string
	// What who ended it said of it.
	RevokeNote, RevokeTicket string

	Unconfirmed               bool
	EncryptedRequestsDisabled bool
	CallRequestsDisabled      bool
	PasswordPending           bool

	// What Addresses is made of: the column, and when the login and its device were
	// used last, as their rows say it.
	addresses                string
	dateActive, clientActive int64
}

type recordRow struct {
	ID          int64  `db:"id"`
	AuthKeyID   int64  `db:"auth_key_id"`
	UserID      int64  `db:"user_id"`
	Hash        int64  `db:"hash"`
	DateCreated int64  `db:"date_created"`
	DateActive  int64  `db:"date_active"`
	Deleted     int64  `db:"deleted"`
	DeviceType  string `db:"device_type"`
	RevokedAt   int64  `db:"revoked_at"`
	Reason      int64  `db:"revoke_reason"`
	RevokedBy   string `db:"revoked_by"`
	Note        string `db:"revoke_note"`
	Ticket      string `db:"revoke_ticket"`
	Unconfirmed int64  `db:"unconfirmed_until"`
	NoEncrypted int64  `db:"encrypted_requests_disabled"`
	NoCalls     int64  `db:"call_requests_disabled"`
	Addresses   string `db:"addresses"`
	Updated     int64  `db:"updated"`

	HasClient      int64  `db:"has_client"`
	ClientActive   int64  `db:"client_active"`
	IP             string `db:"client_ip"`
	Country        string `db:"country"`
	Region         string `db:"region"`
	Layer          int32  `db:"layer"`
	APIID          int32  `db:"api_id"`
	DeviceModel    string `db:"device_model"`
	SystemVersion  string `db:"system_version"`
	AppVersion     string `db:"app_version"`
	SystemLangCode string `db:"system_lang_code"`
	LangPack       string `db:"lang_pack"`
	LangCode       string `db:"lang_code"`

	TTLDays    int64 `db:"authorization_ttl_days"`
	HasPending int64 `db:"has_pending"`
}

const (
	recordColumns = "u.id, u.deleted, u.unconfirmed_until, u.encrypted_requests_disabled, u.call_requests_disabled," +
		" UNIX_TIMESTAMP(u.updated_at) AS updated, EXISTS (SELECT 1 FROM auth_password_pendings p WHERE p.auth_key_id = u.auth_key_id AND p.user_id = u.user_id) AS has_pending, " + sharedColumns
	historyColumns = "-u.id AS id, 1 AS deleted, 0 AS unconfirmed_until, 0 AS encrypted_requests_disabled, 0 AS call_requests_disabled," +
		" u.revoked_at AS updated, 0 AS has_pending, " + sharedColumns
	sharedColumns = "u.auth_key_id, u.user_id, u.hash, u.date_created, u.date_active, u.device_type," +
		" u.revoked_at, u.revoke_reason, u.revoked_by, u.revoke_note, u.revoke_ticket, COALESCE(u.addresses, '') AS addresses, COALESCE(a.date_active, 0) AS client_active, COALESCE(a.country, '') AS country," +
		" COALESCE(a.region, '') AS region, " + clientColumns + ", COALESCE(s.authorization_ttl_days, 0) AS authorization_ttl_days"
	recordJoins = " LEFT JOIN auths a ON a.auth_key_id = u.auth_key_id AND a.deleted = 0" +
		" LEFT JOIN auth_user_settings s ON s.user_id = u.user_id"
	selectRecords = "SELECT " + recordColumns + " FROM auth_users u" + recordJoins + " WHERE "
	selectHistory = "SELECT " + historyColumns + " FROM auth_user_history u" + recordJoins + " WHERE "
)

// querier is a connection or a transaction.
type querier interface {
	QueryRowsCtx(ctx context.Context, v any, query string, args ...any) error
}

// records reads the records that the rest of the statement selects.
func (d *Dao) records(ctx context.Context, q querier, where string, args ...any) ([]Record, error) {
	return d.recordsOf(ctx, q, selectRecords+where, args...)
}

func (d *Dao) recordsOf(ctx context.Context, q querier, query string, args ...any) ([]Record, error) {
	var rows []recordRow
	if err := q.QueryRowsCtx(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	list := make([]Record, len(rows))
	for i := range rows {
		list[i] = d.record(&rows[i])
	}
	return list, nil
}

func (d *Dao) record(r *recordRow) Record {
	out := Record{
		Login: logins.Login{
			ID: r.ID, AuthKeyID: r.AuthKeyID, UserID: r.UserID, Hash: r.Hash, DeviceType: r.DeviceType,
			SignedIn: r.DateCreated, LastActive: r.DateActive,
		},
		Client: Client{
			PredicateName: "clientSession", AuthKeyID: r.AuthKeyID, IP: r.IP, Layer: r.Layer, APIID: r.APIID,
			DeviceModel: r.DeviceModel, SystemVersion: r.SystemVersion, AppVersion: r.AppVersion,
			SystemLangCode: r.SystemLangCode, LangPack: r.LangPack, LangCode: r.LangCode,
		},
		Country: r.Country, Region: r.Region,
		EncryptedRequestsDisabled: r.NoEncrypted != 0, CallRequestsDisabled: r.NoCalls != 0,
		PasswordPending: r.HasPending != 0,
		addresses:       r.Addresses, dateActive: r.DateActive, clientActive: r.ClientActive,
	}
	if out.DeviceType == "" { // of a stock node
		out.DeviceType = device.Type(out.Client.Device())
	}
	if out.Country == "" { // seen by a stock node, or before there was a database
		out.Country, out.Region = d.place(r.IP)
	}
	switch {
	case r.Deleted == 0:
		out.LastActive = max(r.DateActive, r.ClientActive)
		out.ExpiresAt = d.rules.Load().Expiry(out.LastActive, r.TTLDays)
		out.OwnTTL = r.TTLDays > 0
		out.Unconfirmed = r.Unconfirmed > d.Now()
	case r.RevokedAt != 0 && r.Reason != 0 && r.DateActive != 0:
		out.Reason, out.RevokedAt, out.RevokedBy = logins.Reason(r.Reason), r.RevokedAt, r.RevokedBy
		out.RevokeNote, out.RevokeTicket = r.Note, r.Ticket
	default: // a stock node wipes the dates and leaves the rest
		out.Reason, out.RevokedAt = logins.EndedByStockNode, r.Updated
	}
	if last := out.noted(); out.Reason != logins.Live && len(last) > 0 { // its device may be another user's by now
		out.Client.IP, out.Country, out.Region = last[0].IP, last[0].Country, last[0].Region
	}
	return out
}

// facts are what the rules look at of records.
func facts(list []Record) []logins.Login {
	out := make([]logins.Login, len(list))
	for i := range list {
		out[i] = list[i].Login
	}
	return out
}

// Device is what the classification of devices looks at.
func (c *Client) Device() device.Client {
	return device.Client{APIID: c.APIID, LangPack: c.LangPack, AppVersion: c.AppVersion, SystemVersion: c.SystemVersion, DeviceModel: c.DeviceModel}
}

// snapshot is a record as events show it.
func (r *Record) snapshot() events.Snapshot {
	app, platform := device.App(r.Client.Device())
	return events.Snapshot{
		Hash: r.Hash, UserID: r.UserID, AuthKeyID: r.AuthKeyID,
		DeviceType: r.DeviceType, DeviceModel: r.Client.DeviceModel, Platform: platform, SystemVersion: r.Client.SystemVersion,
		AppName: app, AppVersion: r.Client.AppVersion, LangCode: r.Client.LangCode, APIID: r.Client.APIID, Layer: r.Client.Layer,
		IP: r.Client.IP, Country: r.Country, Region: r.Region,
		SignedIn: Time(r.SignedIn), LastActive: Time(r.LastActive), ExpiresAt: Time(r.ExpiresAt), Unconfirmed: r.Unconfirmed,
	}
}

// Time converts Unix seconds; 0 is the zero time.
func Time(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// maxDevices bounds a user's list of devices.
const maxDevices = 10_000

const maxEnded = 1000

// LiveOf lists the live logins of a user, the one active last first, at most
// 10,000, from MySQL in one statement. A user may have more: LiveAfter reads all.
func (d *Dao) LiveOf(ctx context.Context, userID int64) ([]Record, error) {
	return d.liveOf(ctx, d.conn, userID, maxDevices)
}

func (d *Dao) liveOf(ctx context.Context, q querier, userID int64, limit int) ([]Record, error) {
	return d.records(ctx, q, "u.user_id = ? AND u.deleted = 0 ORDER BY u.date_active DESC, u.id DESC LIMIT ?", userID, limit)
}

// LiveAfter lists up to limit live logins of a user whose rows come after one, in the order
// of the rows. Fewer: there are no more.
func (d *Dao) LiveAfter(ctx context.Context, userID, after int64, limit int) ([]Record, error) {
	return d.liveAfter(ctx, d.conn, userID, "", after, limit)
}

// liveAfter is LiveAfter of logins whose rows say a device type, or none, as a stock node's;
// empty: of all.
func (d *Dao) liveAfter(ctx context.Context, q querier, userID int64, deviceType string, after int64, limit int) ([]Record, error) {
	where, args := "u.user_id = ? AND u.deleted = 0 AND u.id > ?", []any{userID, after}
	if deviceType != "" {
		where, args = where+" AND u.device_type IN (?, '')", append(args, deviceType)
	}
	return d.recordsOf(ctx, q, "SELECT "+recordColumns+" FROM auth_users u FORCE INDEX (idx_user_deleted)"+recordJoins+
		" WHERE "+where+" ORDER BY u.id LIMIT ?", append(args, limit)...)
}

// lately is how long ago, in seconds, a login may have ended that is ended again
// with its user's others: longer than any copy of it lives, however far apart the
// nodes' clocks are.
const lately = 2 * 60 * 60

// LatelyEnded lists the logins of a user that have ended within the last two
// hours, at most 1,000.
func (d *Dao) LatelyEnded(ctx context.Context, userID int64) ([]Record, error) {
	return d.records(ctx, d.conn, "u.user_id = ? AND u.deleted = 1 AND u.revoked_at > ? ORDER BY u.date_active DESC LIMIT ?",
		userID, d.Now()-lately, maxEnded)
}

// WithHash lists the logins with a hash: one, unless a stock node made it.
func (d *Dao) WithHash(ctx context.Context, hash int64) ([]Record, error) {
	if hash == 0 { // rows that have none
		return nil, nil
	}
	ctx, server := askServer(ctx)
	list, err := d.records(ctx, d.conn, "u.hash = ? ORDER BY u.deleted, u.id DESC", hash)
	if err == nil && len(list) == 0 {
		list, err = d.recordsOf(ctx, d.conn, selectHistory+"u.hash = ? ORDER BY u.id DESC", hash)
	}
	return list, server.lacks(len(list), err)
}

// lacks is the error of a look for something of which n were found: what a server that only
// reads lacks may be new (readRow).
func (r *role) lacks(n int, err error) error {
	if err == nil && n == 0 && r.onlyReads {
		return ErrOnlyReads
	}
	return err
}

// LiveOn returns the live login on a perm key; ErrNotFound when there is none.
func (d *Dao) LiveOn(ctx context.Context, perm int64) (Record, error) {
	ctx, server := askServer(ctx)
	list, err := d.records(ctx, d.conn, "u.auth_key_id = ? AND u.deleted = 0 ORDER BY u.date_active DESC, u.id DESC LIMIT 1", perm)
	if err = server.lacks(len(list), err); err != nil || len(list) == 0 {
		return Record{}, orNotFound(err)
	}
	return list[0], nil
}

func orNotFound(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}

// Counts are numbers of logins.
type Counts struct {
	Ended       int64
	Unconfirmed int64
	Live        map[string]int64 // by device type; "" are a stock node's
}

// Count counts all logins, from one index.
func (d *Dao) Count(ctx context.Context) (Counts, error) {
	out := Counts{Live: map[string]int64{}}
	var rows []struct {
		DeviceType  string `db:"device_type"`
		N           int64  `db:"n"`
		Unconfirmed int64  `db:"unconfirmed"`
	}
	err := d.conn.QueryRowsCtx(ctx, &rows, "SELECT device_type, COUNT(*) AS n, CAST(SUM(unconfirmed_until > ?) AS SIGNED) AS unconfirmed"+
		" FROM auth_users WHERE deleted = 0 GROUP BY device_type", d.Now())
	if err != nil {
		return Counts{}, fmt.Errorf("sessions: %w", err)
	}
	for _, r := range rows {
		out.Live[r.DeviceType] += r.N
		out.Unconfirmed += r.Unconfirmed
	}
	var before int64
	if err := d.conn.QueryRowCtx(ctx, &out.Ended, "SELECT COUNT(*) FROM auth_users WHERE deleted = 1"); err != nil {
		return Counts{}, fmt.Errorf("sessions: %w", err)
	}
	if err := d.conn.QueryRowCtx(ctx, &before, "SELECT COUNT(*) FROM auth_user_history WHERE date_created >= 0"); err != nil {
		return Counts{}, fmt.Errorf("sessions: %w", err)
	}
	out.Ended += before
	return out, nil
}
