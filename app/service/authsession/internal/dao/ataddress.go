package dao

import (
	"context"
	"fmt"
)

// addressKeys bounds the devices that are looked up by their address. An address with more
// of them, such as a carrier's, has logins in every part of the list: there the list is read
// as without the index, window by window, and soon finds enough.
const addressKeys = matchRows

// keysAt are the keys of the devices that were seen last at the addresses that w asks
// for, and whether all that w selects is on them. It is not where w selects logins
// that have ended, whose addresses stand in their own rows, nor where it asks for
// whole networks, nor where there are more devices than addressKeys.
func (d *Dao) keysAt(ctx context.Context, w Wanted) (keys []int64, all bool, err error) {
	if w.Live == nil || !*w.Live || w.UserID != 0 || len(w.Match.Networks) == 0 {
		return nil, false, nil
	}
	addresses := make([]any, 0, len(w.Match.Networks)+1)
	for _, n := range w.Match.Networks {
		if !n.IsSingleIP() {
			return nil, false, nil
		}
		addresses = append(addresses, n.Addr().String())
	}
	err = d.conn.QueryRowsCtx(ctx, &keys, "SELECT auth_key_id FROM auths FORCE INDEX (idx_client_ip) WHERE client_ip IN ("+placeholders(len(addresses))+") LIMIT ?",
		append(addresses, addressKeys+1)...)
	if err != nil {
		return nil, false, fmt.Errorf("sessions: %w", err)
	}
	return keys, len(keys) <= addressKeys, nil
}

// onKeys returns the live logins on keys that w selects and that stand past a place in
// an order, up to limit, and whether there are more.
func (d *Dao) onKeys(ctx context.Context, w Wanted, keys []int64, past string, args []any, order string, limit int) (list []Record, more bool, err error) {
	if len(keys) == 0 {
		return nil, false, nil
	}
	filter, filterArgs := w.where(current)
	all := append(append(anys(keys), filterArgs...), args...)
	list, err = d.recordsOf(ctx, d.conn, "SELECT "+recordColumns+" FROM auth_users u FORCE INDEX (auth_key_id)"+recordJoins+
		" WHERE u.auth_key_id IN ("+placeholders(len(keys))+") AND "+filter+past+order, all...)
	if err != nil {
		return nil, false, err
	}
	if list = w.fitting(list); len(list) > limit {
		return list[:limit], true, nil
	}
	return list, false, nil
}
