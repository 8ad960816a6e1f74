package dao

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tgsession/tgsession/app/service/authsession/internal/device"
)

// Match narrows records by what is known of their devices and times. Each member
// that is not empty has to fit, of a list one value; its zero value fits all. Times
// are Unix seconds.
type Match struct {
	Networks  []netip.Prefix // of the address seen last
	Regions   []string       // ISO codes of countries, upper case
	APIIDs    []int32
	Platforms []string // lower case
	Types     []string // of devices
	Model     string   // part of the device's model; case does not matter
	Text      string   // part of model, app or system version; case does not matter

	SignedInFrom, SignedInBefore int64
	ActiveFrom, ActiveBefore     int64
}

// Empty reports whether everything fits.
func (m *Match) Empty() bool {
	return len(m.Networks) == 0 && len(m.Regions) == 0 && len(m.APIIDs) == 0 && len(m.Platforms) == 0 && len(m.Types) == 0 &&
		m.Model == "" && m.Text == "" && m.SignedInFrom == 0 && m.SignedInBefore == 0 && m.ActiveFrom == 0 && m.ActiveBefore == 0
}

// where is the SQL of what can fit among the rows of a source, each condition
// followed by AND, and its arguments. Rows that it lets pass are held against fits:
// what an ended login is shown with stands in its own row, not in its device's.
func (m *Match) where(s source) (where string, args []any) {
	add := func(condition string, values ...any) {
		where += condition + " AND "
		args = append(args, values...)
	}
	live := func(condition string) string { // of the device, for logins that are live
		if s.sign < 0 {
			return "1 = 1"
		}
		return "(u.deleted = 1 OR " + condition + ")"
	}
	if len(m.Networks) > 0 && s.sign > 0 {
		var parts []string
		for _, n := range m.Networks {
			first, last := bounds(n)
			parts = append(parts, "LENGTH(INET6_ATON(a.client_ip)) = ? AND INET6_ATON(a.client_ip) BETWEEN ? AND ?")
			args = append(args, len(first), first, last)
		}
		where += live("("+strings.Join(parts, " OR ")+")") + " AND "
	}
	if len(m.Regions) > 0 && s.sign > 0 {
		add(live("COALESCE(a.region, '') IN (''"+strings.Repeat(", ?", len(m.Regions))+")"), anys(m.Regions)...)
	}
	if len(m.APIIDs) > 0 {
		add("a.api_id IN ("+placeholders(len(m.APIIDs))+")", anys(m.APIIDs)...)
	}
	if len(m.Types) > 0 { // a stock node's rows have none
		add("u.device_type IN (''"+strings.Repeat(", ?", len(m.Types))+")", anys(m.Types)...)
	}
	if m.Model != "" {
		add("a.device_model LIKE ? ESCAPE '|'", part(m.Model))
	}
	if m.Text != "" {
		ids, packs := device.AppsNamed(m.Text)
		text := part(m.Text)
		condition := "(a.device_model LIKE ? ESCAPE '|' OR a.app_version LIKE ? ESCAPE '|' OR a.system_version LIKE ? ESCAPE '|' OR a.lang_pack LIKE ? ESCAPE '|'"
		values := []any{text, text, text, text}
		if len(ids) > 0 {
			condition, values = condition+" OR a.api_id IN ("+placeholders(len(ids))+")", append(values, anys(ids)...)
		}
		if len(packs) > 0 {
			condition, values = condition+" OR a.lang_pack IN (''"+strings.Repeat(", ?", len(packs))+")", append(values, anys(packs)...)
		}
		add(condition+")", values...)
	}
	if m.SignedInFrom != 0 {
		add("u.date_created >= ?", m.SignedInFrom)
	}
	if m.SignedInBefore != 0 {
		add("u.date_created < ?", m.SignedInBefore)
	}
	if m.ActiveFrom != 0 {
		add("(u.date_active >= ? OR a.date_active >= ?)", m.ActiveFrom, m.ActiveFrom)
	}
	if m.ActiveBefore != 0 {
		add("u.date_active < ?", m.ActiveBefore)
	}
	return where, args
}

// fits reports whether a record fits in every way.
func (m *Match) fits(r *Record) bool {
	app, platform := device.App(r.Client.Device())
	return (len(m.Networks) == 0 || within(m.Networks, r.Client.IP)) &&
		(len(m.Regions) == 0 || slices.Contains(m.Regions, strings.ToUpper(r.Region))) &&
		(len(m.APIIDs) == 0 || slices.Contains(m.APIIDs, r.Client.APIID)) &&
		(len(m.Platforms) == 0 || slices.Contains(m.Platforms, strings.ToLower(platform))) &&
		(len(m.Types) == 0 || slices.Contains(m.Types, r.DeviceType)) &&
		has(r.Client.DeviceModel, m.Model) &&
		(m.Text == "" || has(r.Client.DeviceModel, m.Text) || has(app, m.Text) || has(r.Client.AppVersion, m.Text) || has(r.Client.SystemVersion, m.Text)) &&
		(m.SignedInFrom == 0 || r.SignedIn >= m.SignedInFrom) && (m.SignedInBefore == 0 || r.SignedIn < m.SignedInBefore) &&
		(m.ActiveFrom == 0 || r.LastActive >= m.ActiveFrom) && (m.ActiveBefore == 0 || r.LastActive < m.ActiveBefore)
}

func has(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func within(networks []netip.Prefix, ip string) bool {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// bounds are the first and the last address of a network, as INET6_ATON gives them.
func bounds(n netip.Prefix) (first, last []byte) {
	first = n.Masked().Addr().AsSlice()
	last = slices.Clone(first)
	for i := range last {
		if left := n.Bits() - 8*i; left <= 0 {
			last[i] = 0xff
		} else if left < 8 {
			last[i] |= 0xff >> left
		}
	}
	return first, last
}

// part is a pattern of LIKE for a text that holds s; | is what escapes in it.
func part(s string) string {
	return "%" + strings.NewReplacer("|", "||", "%", "|%", "_", "|_").Replace(s) + "%"
}
