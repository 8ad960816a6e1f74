package sessions_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
	pb "github.com/tgsession/tgsession/proto/authsession"
)

// used are the addresses of a session, each with the minutes in which it was seen
// first and last; ? is not known.
func (w *world) used(hash int64, began time.Time) string {
	w.t.Helper()
	minute := func(at time.Time) string {
		if at.IsZero() {
			return "?"
		}
		return fmt.Sprint(int(at.Sub(began).Minutes()))
	}
	s := w.get(hash)
	list := make([]string, len(s.Addresses))
	for i, a := range s.Addresses {
		list[i] = a.IP + " " + minute(a.First) + "-" + minute(a.Last)
	}
	return strings.Join(list, ", ")
}

// from introduces a client from an address.
func (w *world) from(key int64, ip string) {
	w.t.Helper()
	_, err := w.on(0).AuthsessionSetInitConnection(&pb.TLAuthsessionSetInitConnection{
		AuthKeyId: key, Ip: ip, ApiId: 6, DeviceModel: "Pixel 9",
		SystemVersion: "SDK 35", AppVersion: "11.4", LangPack: "android", LangCode: "de",
	})
	require.NoError(w.t, err)
}

func (w *world) touched(key int64, ip string) {
	w.t.Helper()
	require.NoError(w.t, w.nodes[0].Dao.Touches().Store(w.t.Context(), []touch.Touch{{AuthKeyID: key, Seen: w.clock.Now().Unix(), IP: ip}}))
}

// A session keeps the addresses that it was used from, with when each was seen
// first and last, however the service learns of them.
func TestASessionKeepsItsAddresses(t *testing.T) {
	w := newWorld(t, nil)
	w.nodes[0].Dao.UseLocator(func(ip string) (country, region string) { return "of " + ip, ip[:2] })
	began := w.clock.Now()
	key, hash := w.signIn(777, "phone")
	require.Equal(t, "10.1.2.3 0-0", w.used(hash, began))

	w.clock.Advance(10 * time.Minute)
	w.from(key, "10.1.2.3")
	require.Equal(t, "10.1.2.3 0-10", w.used(hash, began), "the same one")
	w.clock.Advance(10 * time.Minute)
	w.from(key, "10.0.0.2")
	require.Equal(t, "10.0.0.2 20-20, 10.1.2.3 0-10", w.used(hash, began))
	w.from(key, "")
	w.touched(key, "")
	require.Equal(t, "10.0.0.2 20-20, 10.1.2.3 0-10", w.used(hash, began), "no address is no other address")

	w.clock.Advance(10 * time.Minute)
	w.touched(key, "10.0.0.3") // a sign of life from another one
	require.Equal(t, "10.0.0.3 30-30, 10.0.0.2 20-30, 10.1.2.3 0-10", w.used(hash, began))
	w.clock.Advance(10 * time.Minute)
	w.touched(key, "10.0.0.3")
	require.Equal(t, "10.0.0.3 30-40, 10.0.0.2 20-30, 10.1.2.3 0-10", w.used(hash, began))

	w.clock.Advance(10 * time.Minute)
	_, err := w.on(1).AuthsessionSetLayer(&pb.TLAuthsessionSetLayer{AuthKeyId: key, Layer: 223, Ip: "10.1.2.3"}) // back home
	require.NoError(t, err)
	require.Equal(t, "10.1.2.3 0-50, 10.0.0.3 30-40, 10.0.0.2 20-30", w.used(hash, began))
	w.from(key, "10.1.2.3")
	require.Equal(t, "10.1.2.3 0-50, 10.0.0.3 30-40, 10.0.0.2 20-30", w.used(hash, began))
	first := w.get(hash).Addresses[0]
	require.Equal(t, []string{"of 10.1.2.3", "10"}, []string{first.Country, first.Region})

	// What the next user of the device comes from is nothing of this session.
	w.clock.Advance(10 * time.Minute)
	w.touched(key, "10.1.2.3")
	require.Len(t, w.revoke(sessions.Selection{Hash: hash}), 1)
	ended := "10.1.2.3 0-60, 10.0.0.3 30-40, 10.0.0.2 20-30"
	require.Equal(t, ended, w.used(hash, began))
	w.from(key, "10.9.9.9")
	w.clock.Advance(10 * time.Minute)
	other := w.bind(0, key, 888)
	require.Equal(t, ended, w.used(hash, began))
	require.Equal(t, []string{"10.1.2.3", "of 10.1.2.3"}, []string{w.get(hash).IP, w.get(hash).Country})
	require.Equal(t, "10.9.9.9 70-70", w.used(other, began))

	// Nor is what the same user comes from, once they have signed in again.
	again := w.bind(0, key, 777)
	require.Equal(t, ended, w.used(hash, began), "in the history")
	require.Equal(t, "10.9.9.9 70-70", w.used(again, began))
}

// The end of a session keeps an address that only its device's row had.
func TestTheLastAddressIsKeptAtTheEnd(t *testing.T) {
	w := newWorld(t, nil)
	began := w.clock.Now()
	key, hash := w.signIn(777, "phone")
	w.clock.Advance(5 * time.Minute)
	_, err := w.on(1).AuthsessionSetLayer(&pb.TLAuthsessionSetLayer{AuthKeyId: key, Layer: 223, Ip: "10.0.0.9"})
	require.NoError(t, err)
	w.clock.Advance(5 * time.Minute)
	require.Len(t, w.revoke(sessions.Selection{Hash: hash}), 1)
	w.from(key, "10.0.0.10")
	require.Equal(t, "10.0.0.9 5-5, 10.1.2.3 0-0", w.used(hash, began))
}

// Of a session that began before addresses were kept, or on a stock node, the one
// of its device is known, but not since when.
func TestAddressesOfOlderSessions(t *testing.T) {
	w := newWorld(t, nil)
	began := w.clock.Now()
	key, hash := w.signIn(777, "phone")
	w.exec("UPDATE auth_users SET addresses = NULL")
	require.Equal(t, "10.1.2.3 ?-0", w.used(hash, began))
	w.clock.Advance(5 * time.Minute)
	w.from(key, "10.0.0.2")
	require.Equal(t, "10.0.0.2 5-5, 10.1.2.3 ?-0", w.used(hash, began))
}

// Ten addresses are kept; the one seen least recently goes first.
func TestAddressesAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	w.nodes[0].Dao.UseLocator(func(string) (country, region string) { return strings.Repeat("\u00ff", 200), "XX" })
	key, hash := w.signIn(777, "phone")
	at := func(i int) string { return fmt.Sprintf("10.0.0.%d", i) }
	for i := range 30 {
		w.clock.Advance(time.Minute)
		w.from(key, at(i))
		if i == 25 {
			w.from(key, at(17)) // seen again
			w.from(key, at(25))
		}
	}
	var ips []string
	for _, a := range w.get(hash).Addresses {
		ips = append(ips, a.IP)
	}
	require.Equal(t, []string{at(29), at(28), at(27), at(26), at(25), at(17), at(24), at(23), at(22), at(21)}, ips)
	require.Less(t, w.number("SELECT LENGTH(addresses) FROM auth_users"), int64(5000))
}

// What a client says again is not written again.
func TestAnAddressIsNotWrittenAgain(t *testing.T) {
	w := newWorld(t, nil)
	key, hash := w.signIn(777, "phone")
	before := w.text("SELECT addresses FROM auth_users WHERE hash = ?", hash)
	w.clock.Advance(time.Hour)
	w.from(key, "10.1.2.3")
	w.touched(key, "10.1.2.3")
	require.Equal(t, before, w.text("SELECT addresses FROM auth_users WHERE hash = ?", hash), "it is not written again")
	require.Equal(t, w.clock.Now(), w.get(hash).Addresses[0].Last, "and its date is that of the session")
}
