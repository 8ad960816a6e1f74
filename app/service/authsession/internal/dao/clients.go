package dao

import (
	"context"
	"slices"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
	"github.com/tgsession/tgsession/app/service/authsession/internal/events"
)

// SetLayer stores the layer a device speaks. An empty ip leaves the stored one.
func (d *Dao) SetLayer(ctx context.Context, perm int64, ip string, layer int32) error {
	country, region := d.place(ip)
	return d.changeLogin(ctx, perm, func(ctx context.Context, tx sqlx.Session, _ holder) error {
		_, err := tx.ExecCtx(ctx, "INSERT INTO auths(auth_key_id, layer, api_id, params, client_ip, country, region, date_active)"+
			" VALUES (?, ?, 0, 'null', ?, ?, ?, ?) ON DUPLICATE KEY UPDATE layer = VALUES(layer), "+updateAddress,
			perm, layer, ip, country, region, d.Now())
		return err
	})
}

// updateAddress is the end of an upsert of auths: an empty address leaves the
// stored one with its place.
const updateAddress = "country = IF(VALUES(client_ip) = '', country, VALUES(country)), region = IF(VALUES(client_ip) = '', region, VALUES(region))," +
	" client_ip = IF(VALUES(client_ip) = '', client_ip, VALUES(client_ip)), date_active = VALUES(date_active), deleted = 0"

// SetClient stores how a device introduced itself; the layer stays. Texts must
// fit their columns, Params must be JSON. An empty IP leaves the stored one.
// Another app or device than before on a login is an event.
func (d *Dao) SetClient(ctx context.Context, perm int64, c Client) error {
	country, region := d.place(c.IP)
	return d.changeLoginsOn(ctx, perm, func(ctx context.Context, tx sqlx.Session, _ holder, on []loginOn) error {
		return d.setClient(ctx, tx, perm, on, c, country, region)
	})
}

// setClient does it in a transaction; on were the live logins of the key before it.
func (d *Dao) setClient(ctx context.Context, tx sqlx.Session, perm int64, on []loginOn, c Client, country, region string) error {
	// The lock comes before the event, so that the events of a login have the order
	// of its commits: the login may be ending now.
	locked, err := lockLive(ctx, tx, on)
	if err != nil {
		return err
	}
	before, err := d.records(ctx, tx, "u.auth_key_id = ? AND u.deleted = 0", perm)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(before, func(r Record) bool { return !slices.Contains(locked, r.ID) }) {
		return errSignedIn
	}
	_, err = tx.ExecCtx(ctx, "INSERT INTO auths(auth_key_id, api_id, device_model, system_version, app_version, system_lang_code,"+
		" lang_pack, lang_code, proxy, params, client_ip, country, region, date_active) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"+
		" ON DUPLICATE KEY UPDATE api_id = VALUES(api_id), device_model = VALUES(device_model), system_version = VALUES(system_version),"+
		" app_version = VALUES(app_version), system_lang_code = VALUES(system_lang_code), lang_pack = VALUES(lang_pack),"+
		" lang_code = VALUES(lang_code), proxy = VALUES(proxy), params = VALUES(params), "+updateAddress,
		perm, c.APIID, c.DeviceModel, c.SystemVersion, c.AppVersion, c.SystemLangCode,
		c.LangPack, c.LangCode, c.Proxy, c.Params, c.IP, country, region, d.Now())
	if err != nil || len(before) == 0 {
		return err
	}
	if err := d.noteClient(ctx, tx, &before[0], &c); err != nil {
		return err
	}
	if !otherApp(&before[0].Client, &c) {
		return nil
	}
	after, err := d.records(ctx, tx, "u.id = ?", before[0].ID)
	if err != nil || len(after) == 0 {
		return err
	}
	return d.appendEvents(ctx, tx, events.Event{Type: events.Changed, At: d.now(), Session: after[0].snapshot()})
}

// noteClient keeps with a login what it is used with: the type of the device and,
// where it is another than before, its address.
func (d *Dao) noteClient(ctx context.Context, tx sqlx.Session, login *Record, c *Client) error {
	set, args := "device_type = ?", []any{device.Type(c.Device())}
	if addresses, changed := d.movedTo(login, c.IP, d.Now()); changed {
		set, args = set+", addresses = ?", append(args, addresses)
	}
	_, err := tx.ExecCtx(ctx, "UPDATE auth_users SET "+set+" WHERE id = ?", append(args, login.ID)...)
	return err
}

func otherApp(a, b *Client) bool {
	return a.APIID != b.APIID || a.DeviceModel != b.DeviceModel || a.SystemVersion != b.SystemVersion ||
		a.AppVersion != b.AppVersion || a.LangPack != b.LangPack
}
