// Package geoip names the place of an IP address from a MaxMind database that
// the operator brings; without one every place is empty.
package geoip

import (
	"net/netip"

	"github.com/oschwald/geoip2-golang/v2"
)

// Locator answers from one database. The zero value and nil know no place.
type Locator struct{ db *geoip2.Reader }

// Open reads the City database at path.
func Open(path string) (*Locator, error) {
	db, err := geoip2.Open(path)
	if err != nil {
		return nil, err
	}
	return &Locator{db: db}, nil
}

// Locate returns "City, Country" in English and the ISO code of the country;
// empty strings when the address is not one or is not known.
func (l *Locator) Locate(ip string) (country, region string) {
	if l == nil || l.db == nil {
		return "", ""
	}
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return "", ""
	}
	record, err := l.db.City(address.Unmap())
	if err != nil || !record.HasData() {
		return "", ""
	}
	country = record.Country.Names.English
	if city := record.City.Names.English; city != "" && country != "" {
		country = city + ", " + country
	}
	return country, record.Country.ISOCode
}

// Close releases the database.
func (l *Locator) Close() error {
	if l == nil || l.db == nil {
		return nil
	}
	return l.db.Close()
}
