// Package geoip names the place of an IP address from a MaxMind database that
// the operator brings; without one every place is empty.
package geoip

import (
	"context"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/conf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/worker"
)

// maxBytes bounds what is read of a file that is named by mistake, as a device that
// never ends.
const maxBytes = 1 << 30

// Locator answers from the City database in a file, as the file is now: it may
// be missing, and it may be replaced. Nil knows no place. Its methods may be
// called from any goroutine.
//
// The file is read as a whole, never mapped: a database that is written over
// in place would take a process that maps it down. A former database ends with
// the last lookup in it.
type Locator struct {
	path string
	db   atomic.Pointer[geoip2.Reader] // nil: none yet
	read stamp                         // of the file as it was read last, well or not
	look *worker.Worker
}

// stamp tells one content of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

// Follow returns a locator on the file at path, which it looks at every
// interval. A file that cannot be used is logged; the database before it, if
// any, goes on. Close ends it.
func Follow(path string, interval time.Duration) *Locator {
	l := &Locator{path: path}
	if !l.reload() && l.db.Load() == nil {
		logx.Errorf("config key GeoIP.Path: %s cannot be used, country and region stay empty until it is there", path)
	}
	l.look = worker.Start(worker.Job{Name: "places", First: interval, Every: interval, Run: func(context.Context) error { l.reload(); return nil }})
	return l
}

// reload reads the file if it is another than before, and reports whether it
// was.
func (l *Locator) reload() bool {
	info, err := os.Stat(l.path)
	if err != nil {
		return false // between two files, or none yet
	}
	now := stamp{info.ModTime(), info.Size()}
	if now == l.read {
		return false
	}
	l.read = now // what is still being written changes again
	db, err := open(l.path, maxBytes)
	if err != nil {
		logx.Errorf("config key GeoIP.Path: %s cannot be used: %v", l.path, err)
		return true
	}
	l.db.Store(db)
	logx.Infof("places come from %s, built %s", l.path, time.Unix(int64(db.Metadata().BuildEpoch), 0).UTC().Format(time.DateOnly))
	return true
}

// open reads the database in a file of at most so many bytes.
func open(path string, most int) (*geoip2.Reader, error) {
	content, err := conf.ReadAtMost(path, most)
	if err != nil {
		return nil, err
	}
	return geoip2.OpenBytes(content)
}

// Locate returns "City, Country" in English and the ISO code of the country;
// empty strings when the address is not one or is not known.
func (l *Locator) Locate(ip string) (country, region string) {
	if l == nil {
		return "", ""
	}
	db := l.db.Load()
	if db == nil {
		return "", ""
	}
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return "", ""
	}
	record, err := db.City(address.Unmap())
	if err != nil || !record.HasData() {
		return "", ""
	}
	country = record.Country.Names.English
	if city := record.City.Names.English; city != "" && country != "" {
		country = city + ", " + country
	}
	return country, record.Country.ISOCode
}

// Close ends the looks at the file.
func (l *Locator) Close() {
	if l != nil {
		<-l.look.Stop()
	}
}
