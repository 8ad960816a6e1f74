package dao

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tgsession/tgsession/app/service/authsession/internal/lease"
	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// Login is what is known of a perm key beside the key itself: the device that
// uses it, the user bound to it. Its JSON form is stock's, with
// PasswordPending and Bound.ExpiresAt added.
type Login struct {
	Client   *Client `json:"client,omitempty"`    // nil: the device has not introduced itself
	BindUser *Bound  `json:"bind_user,omitempty"` // nil: nobody is logged in
	// PasswordPending: the user owes the second factor. See Owes.
	PasswordPending *Owing `json:"password_pending,omitempty"`
}

// Owes reports whether somebody is logged in who owes the second factor. A copy
// of an older node may say it of nobody, or not of whom.
func (l *Login) Owes() bool {
	return l.BindUser != nil && l.PasswordPending != nil &&
		(l.PasswordPending.UserID == 0 || l.PasswordPending.UserID == l.BindUser.UserID)
}

// Client is a device as it introduced itself.
type Client struct {
	PredicateName  string `json:"predicate_name,omitempty"`
	AuthKeyID      int64  `json:"auth_key_id,omitempty"`
	IP             string `json:"ip,omitempty"`
	Layer          int32  `json:"layer,omitempty"`
	APIID          int32  `json:"api_id,omitempty"`
	DeviceModel    string `json:"device_model,omitempty"`
	SystemVersion  string `json:"system_version,omitempty"`
	AppVersion     string `json:"app_version,omitempty"`
	SystemLangCode string `json:"system_lang_code,omitempty"`
	LangPack       string `json:"lang_pack,omitempty"`
	LangCode       string `json:"lang_code,omitempty"`
	Proxy          string `json:"proxy,omitempty"`
	Params         string `json:"params,omitempty"` // JSON; empty stands for null
}

// Bound is the user of a perm key. Dates are Unix seconds.
type Bound struct {
	UserID               int64 `json:"user_id"`
	Hash                 int64 `json:"hash"`
	DateCreated          int64 `json:"date_created"`
	DateActivated        int64 `json:"date_activated"`
	AndroidPushSessionID int64 `json:"android_push_sessionId"`
	// ExpiresAt is when the login expires unless it is used before; 0: never.
	// A copy may lag behind: MySQL has the last word.
	ExpiresAt int64 `json:"expires_at,omitempty"`
}

// Owing says who owes the second factor.
type Owing struct {
	UserID int64 `json:"user_id"`
}

type loginRow struct {
	ofServer
	HasClient      int64  `db:"has_client"`
	IP             string `db:"client_ip"`
	Layer          int32  `db:"layer"`
	APIID          int32  `db:"api_id"`
	DeviceModel    string `db:"device_model"`
	SystemVersion  string `db:"system_version"`
	AppVersion     string `db:"app_version"`
	SystemLangCode string `db:"system_lang_code"`
	LangPack       string `db:"lang_pack"`
	LangCode       string `db:"lang_code"`
	Proxy          string `db:"proxy"`
	Params         string `db:"params"`

	UserID        int64 `db:"user_id"`
	Hash          int64 `db:"hash"`
	DateCreated   int64 `db:"date_created"`
	DateActive    int64 `db:"date_active"`
	PushSessionID int64 `db:"android_push_session_id"`
	ClientActive  int64 `db:"client_active"`
	TTLDays       int64 `db:"authorization_ttl_days"`

	HasPending int64 `db:"has_pending"`
}

// clientColumns of a row of auths that may be absent.
const clientColumns = "COALESCE(a.id, 0) AS has_client, COALESCE(a.client_ip, '') AS client_ip, COALESCE(a.layer, 0) AS layer," +
	" COALESCE(a.api_id, 0) AS api_id, COALESCE(a.device_model, '') AS device_model, COALESCE(a.system_version, '') AS system_version," +
	" COALESCE(a.app_version, '') AS app_version, COALESCE(a.system_lang_code, '') AS system_lang_code," +
	" COALESCE(a.lang_pack, '') AS lang_pack, COALESCE(a.lang_code, '') AS lang_code"

// loginColumns and what follows them in a SELECT. It is one statement, so that its parts
// are of one moment. Where stock left several users on one key, the one active last counts.
const loginColumns = clientColumns + ", COALESCE(a.proxy, '') AS proxy, COALESCE(a.params, 'null') AS params," +
	" COALESCE(u.user_id, 0) AS user_id, COALESCE(u.hash, 0) AS hash, COALESCE(u.date_created, 0) AS date_created," +
	" COALESCE(u.date_active, 0) AS date_active, COALESCE(u.android_push_session_id, 0) AS android_push_session_id," +
	" COALESCE(a.date_active, 0) AS client_active, COALESCE(s.authorization_ttl_days, 0) AS authorization_ttl_days," +
	" p.auth_key_id IS NOT NULL AS has_pending" +
	" FROM auth_key_infos i" +
	" LEFT JOIN auths a ON a.auth_key_id = i.auth_key_id AND a.deleted = 0" +
	" LEFT JOIN auth_users u ON u.id = (SELECT id FROM auth_users WHERE auth_key_id = i.auth_key_id AND deleted = 0 ORDER BY date_active DESC, id DESC LIMIT 1)" +
	" LEFT JOIN auth_user_settings s ON s.user_id = u.user_id" +
	" LEFT JOIN auth_password_pendings p ON p.auth_key_id = i.auth_key_id AND p.user_id = u.user_id" +
	" WHERE i.auth_key_id = ?"

// nobody is the login of a key of which nothing is known.
var nobody = &Login{}

// Login returns what is known of a perm key; never nil. A login that has
// expired is ended first. The result is shared: it must not be changed.
func (d *Dao) Login(ctx context.Context, perm int64) (*Login, error) {
	return d.loginAfter(ctx, nil, perm)
}

// LoginOf returns the key with the given id and what is known of its perm key; no login
// where it has none. Key and login are asked for in one round trip to Redis where the
// key's perm key was seen before; should it be another by now, its login is asked for
// after that.
func (d *Dao) LoginOf(ctx context.Context, id int64) (*Key, *Login, error) {
	var r lease.Read
	if perm := d.perms.get(id); perm != 0 {
		r = d.cache.ReadAll(ctx, keyCacheKey(id), dataCacheKey(perm))
	}
	k, err := d.keyAfter(ctx, r, id)
	if err != nil || k.PermAuthKeyID == 0 {
		return k, nil, err
	}
	d.perms.put(id, k.PermAuthKeyID)
	l, err := d.loginAfter(ctx, r, k.PermAuthKeyID)
	return k, l, err
}

func (d *Dao) loginAfter(ctx context.Context, r lease.Read, perm int64) (*Login, error) {
	l, err := d.cachedLogin(ctx, r, perm)
	if err != nil || !d.seemsExpired(l) {
		return l, err
	}
	if err := d.expire(ctx, perm, l.BindUser.UserID); err != nil {
		return nil, err
	}
	return d.cachedLogin(ctx, nil, perm)
}

func (d *Dao) cachedLogin(ctx context.Context, r lease.Read, perm int64) (*Login, error) {
	l, err := lease.LoadAfter(ctx, d.cache, r, "data", dataCacheKey(perm), d.loginLoader(perm))
	if err != nil || l != nil {
		return l, err
	}
	return nobody, nil
}

// loginLoader reads from MySQL what the cache is to have of a perm key's login.
func (d *Dao) loginLoader(perm int64) lease.Loader[Login] {
	return func(ctx context.Context) (*Login, bool, error) { return d.loadLogin(ctx, perm) }
}

func (d *Dao) seemsExpired(l *Login) bool {
	return l.BindUser != nil && logins.Expired(l.BindUser.ExpiresAt, d.Now())
}

func (d *Dao) loadLogin(ctx context.Context, perm int64) (l *Login, store bool, err error) {
	var row loginRow
	store, err = readRow(ctx, d.conn, &row, loginColumns, perm)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, store, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("login: %w", err)
	}
	// Who signed in since would be logged out, and who gave the second factor since be asked
	// for it again.
	if !store && (row.UserID == 0 || row.HasPending != 0) {
		return nil, false, fmt.Errorf("login: %w", ErrOnlyReads)
	}
	l = &Login{}
	if row.HasClient != 0 {
		l.Client = row.client(perm)
	}
	if row.UserID != 0 {
		l.BindUser = &Bound{
			UserID: row.UserID, Hash: row.Hash, DateCreated: row.DateCreated,
			DateActivated: row.DateActive, AndroidPushSessionID: row.PushSessionID,
			ExpiresAt: d.rules.Load().Expiry(max(row.DateActive, row.ClientActive), row.TTLDays),
		}
	}
	if row.HasPending != 0 {
		l.PasswordPending = &Owing{UserID: row.UserID}
	}
	if l.Client != nil {
		return l, store, nil
	}
	if l.BindUser == nil {
		return nil, store, nil
	}
	return l, false, nil // a stock node reads no value without a client
}

func (r *loginRow) client(perm int64) *Client {
	c := &Client{
		PredicateName: "clientSession", AuthKeyID: perm, IP: r.IP, Layer: r.Layer, APIID: r.APIID,
		DeviceModel: r.DeviceModel, SystemVersion: r.SystemVersion, AppVersion: r.AppVersion,
		SystemLangCode: r.SystemLangCode, LangPack: r.LangPack, LangCode: r.LangCode, Proxy: r.Proxy, Params: r.Params,
	}
	if c.Params == "null" {
		c.Params = ""
	}
	return c
}

// changeLogin is change for a write that makes perm's login stale, and what else it
// holds.
func (d *Dao) changeLogin(ctx context.Context, perm int64, write func(ctx context.Context, tx *Tx) error) error {
	return d.change(ctx, onLogin(perm, write))
}

// amendLogin is amend for such a write.
func (d *Dao) amendLogin(ctx context.Context, perm int64, write func(ctx context.Context, tx *Tx) error) error {
	return d.amend(ctx, onLogin(perm, write))
}

func onLogin(perm int64, write func(ctx context.Context, tx *Tx) error) func(ctx context.Context, tx *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		if err := tx.Invalidate(ctx, dataCacheKey(perm)); err != nil {
			return err
		}
		return write(ctx, tx)
	}
}

// SetPushSession stores the session that Android's push goes to.
func (d *Dao) SetPushSession(ctx context.Context, perm, userID, sessionID int64) error {
	return d.amendLogin(ctx, perm, func(ctx context.Context, tx *Tx) error {
		_, err := tx.ExecCtx(ctx, "UPDATE auth_users SET android_push_session_id = ? WHERE auth_key_id = ? AND user_id = ? AND deleted = 0", sessionID, perm, userID)
		return err
	})
}
