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
	return d.amendLogin(ctx, perm, func(ctx context.Context, tx *Tx) error {
		return d.storeDevice(ctx, tx, perm, ip, country, region, []column{{"layer", layer}}, []column{{"api_id", 0}, {"params", "null"}})
	})
}

// storeDevice writes columns of a device's row, or makes it with only besides. An empty ip
// leaves the stored one, with its place.
func (d *Dao) storeDevice(ctx context.Context, tx sqlx.Session, perm int64, ip, country, region string, set, only []column) error {
	set = append(set, column{"date_active", d.Now()}, column{"deleted", 0})
	if ip != "" {
		set = append(set, column{"client_ip", ip}, column{"country", country}, column{"region", region})
	}
	return upsert(ctx, tx, "auths", []column{{"auth_key_id", perm}}, set, only)
}

// SetClient stores how a device introduced itself; the layer stays. Texts must
// fit their columns, Params must be JSON. An empty IP leaves the stored one.
// Another app or device than before on a login is an event.
func (d *Dao) SetClient(ctx context.Context, perm int64, c Client) error {
	country, region := d.place(c.IP)
	return d.amendLoginsOn(ctx, perm, func(ctx context.Context, tx *Tx, on []loginOn) error {
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
	err = d.storeDevice(ctx, tx, perm, c.IP, country, region, []column{
		{"api_id", c.APIID},
		{"device_model", c.DeviceModel},
		{"system_version", c.SystemVersion},
		{"app_version", c.AppVersion},
		{"system_lang_code", c.SystemLangCode},
		{"lang_pack", c.LangPack},
		{"lang_code", c.LangCode},
		{"proxy", c.Proxy},
		{"params", c.Params},
	}, nil)
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
