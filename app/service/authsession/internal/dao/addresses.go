package dao

import (
	"encoding/json"
	"slices"

	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/service/authsession/internal/logins"
)

// maxAddresses is how many addresses a login keeps: enough to show a phone's ways
// between home, work and the road, and little enough that a client which comes
// from another one each time (a rotating proxy) makes no row longer than a few
// kilobytes. The one seen least recently goes first.
const maxAddresses = 10

// Address is one that a login was used from. Its times are Unix seconds.
type Address struct {
	IP      string `json:"ip"`
	Country string `json:"country,omitempty"`
	Region  string `json:"region,omitempty"`
	// First is 0 where it is not known: the login is older than the list, or a
	// stock node noted the address.
	First int64 `json:"first,omitempty"`
	Last  int64 `json:"last"`
}

// noted are the addresses as the row of the login has them, the one seen last
// first. Each was written when it was first seen, and when another followed it.
func (r *Record) noted() (list []Address) {
	if r.addresses == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(r.addresses), &list); err != nil {
		logx.Errorf("the addresses of session %d cannot be read: %v", r.Hash, err)
		return nil
	}
	return list
}

// Addresses are those that the login was used from, the one seen last first, at
// most ten. A live login is used from the address of its device's row (Client.IP), which
// is put first. The login's own row does not say until when: that address was seen last
// when the login was used last. Where a stock node or a call of setLayer brought it, the
// login's row does not have it at all yet.
func (r *Record) Addresses() []Address {
	list := r.noted()
	if r.Reason != logins.Live || r.Client.IP == "" {
		return list
	}
	now := Address{IP: r.Client.IP, Country: r.Country, Region: r.Region, Last: r.LastActive}
	if len(list) > 0 && list[0].IP != now.IP {
		list[0].Last = max(list[0].Last, min(r.dateActive, r.clientActive))
		now.First = r.clientActive
	}
	return seen(list, now)
}

// movedTo are the addresses of a live login that is used from ip from now on;
// unchanged: it was already.
func (d *Dao) movedTo(r *Record, ip string, at int64) (text string, changed bool) {
	if ip == "" {
		return "", false
	}
	if list := r.noted(); len(list) > 0 && list[0].IP == ip {
		return "", false
	}
	return addressText(seen(r.Addresses(), d.addressAt(ip, at))), true
}

// addressAt is an address that is seen for the first time.
func (d *Dao) addressAt(ip string, at int64) Address {
	country, region := d.place(ip)
	return Address{IP: ip, Country: country, Region: region, First: at, Last: at}
}

// seen puts an address in front of the list.
func seen(list []Address, a Address) []Address {
	if i := slices.IndexFunc(list, func(known Address) bool { return known.IP == a.IP }); i >= 0 {
		a.First, a.Last = list[i].First, max(list[i].Last, a.Last)
		if a.Country == "" {
			a.Country, a.Region = list[i].Country, list[i].Region
		}
		list = slices.Delete(list, i, i+1)
	}
	list = slices.Insert(list, 0, a)
	return list[:min(len(list), maxAddresses)]
}

// addressText is a list as its column has it.
func addressText(list []Address) string {
	text, err := json.Marshal(list)
	if err != nil || len(list) == 0 { // a list of texts and numbers has a form
		return ""
	}
	return string(text)
}
