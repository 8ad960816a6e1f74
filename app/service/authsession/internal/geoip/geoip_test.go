package geoip

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/tgsession/tgsession/app/internal/leaktest"
)

func TestMain(m *testing.M) {
	logx.Disable()
	leaktest.Main(m)
}

// Values of the MaxMind DB format (maxmind.github.io/MaxMind-DB): a control
// byte with type and size, then the content.
func text(s string) []byte {
	if len(s) > 28 {
		panic("too long for one control byte")
	}
	return append([]byte{2<<5 | byte(len(s))}, s...)
}

func number(n uint16) []byte { return binary.BigEndian.AppendUint16([]byte{5<<5 | 2}, n) }

func object(pairs ...[]byte) []byte {
	out := []byte{7<<5 | byte(len(pairs)/2)}
	for _, p := range pairs {
		out = append(out, p...)
	}
	return out
}

// database is one for IPv4 in which every address is in that place.
func database(city, country, code string) []byte {
	names := func(english string) []byte { return object(text("names"), object(text("en"), text(english))) }
	data := object(
		text("city"), names(city),
		text("country"), object(text("iso_code"), text(code), text("names"), object(text("en"), text(country))))
	// One node; both of its records lead to the start of the data: node count
	// plus the sixteen bytes of the separator.
	out := []byte{0, 0, 17, 0, 0, 17}
	out = append(out, make([]byte, 16)...)
	out = append(out, data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, object(
		text("binary_format_major_version"), number(2),
		text("binary_format_minor_version"), number(0),
		text("build_epoch"), number(0),
		text("database_type"), text("GeoLite2-City"),
		text("description"), object(),
		text("ip_version"), number(4),
		text("languages"), []byte{0, 4}, // an empty array
		text("node_count"), number(1),
		text("record_size"), number(24))...)
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	next := path + ".next"
	require.NoError(t, os.WriteFile(next, content, 0o600))
	require.NoError(t, os.Rename(next, path))
}

func place(l *Locator) string {
	country, region := l.Locate("203.0.113.9")
	return country + "|" + region
}

func follow(t *testing.T, path string) *Locator {
	l := Follow(path, time.Millisecond)
	t.Cleanup(l.Close)
	return l
}

func TestNoDatabaseKnowsNoPlace(t *testing.T) {
	var none *Locator
	require.Equal(t, "|", place(none))
	none.Close()
}

// The service starts without the file, takes it when it appears, keeps it when
// it goes, and takes the next one.
func TestTheFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "City.mmdb")
	l := follow(t, path)
	require.Equal(t, "|", place(l))
	becomes := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return place(l) == want }, time.Minute, time.Millisecond)
	}
	put(t, path, database("Berlin", "Germany", "DE"))
	becomes("Berlin, Germany|DE")
	require.NoError(t, os.Remove(path))
	put(t, path, database("", "Monaco", "MC"))
	becomes("Monaco|MC")
	require.NoError(t, os.WriteFile(path, database("Lima", "Peru", "PE"), 0o600), "written over in place")
	becomes("Lima, Peru|PE")
}

func TestACorruptFileChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "City.mmdb")
	put(t, path, []byte("not a database"))
	l := &Locator{path: path}
	require.True(t, l.reload())
	require.False(t, l.reload(), "once is enough")
	require.Equal(t, "|", place(l))

	good := database("Berlin", "Germany", "DE")
	put(t, path, good)
	require.True(t, l.reload())
	put(t, path, good[:len(good)/2]) // of a copy under way
	require.True(t, l.reload())
	require.Equal(t, "Berlin, Germany|DE", place(l))
	put(t, path, append(database("Berlin", "Germany", "DE")[:30], good[60:]...)) // damaged inside
	l.reload()
	place(l)
}

// A file that is named by mistake, and never ends, is not read to its end.
func TestTheFileIsBounded(t *testing.T) {
	_, err := open("/dev/zero", 1000)
	require.ErrorContains(t, err, "/dev/zero holds more than")
}

func TestAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "City.mmdb")
	put(t, path, database("Berlin", "Germany", "DE"))
	l := follow(t, path)
	for ip, want := range map[string]string{
		"8.8.8.8": "DE", "::ffff:8.8.8.8": "DE", "2001:db8::1": "", "": "", "example.com": "", "fe80::1%eth0": "",
	} {
		_, region := l.Locate(ip)
		require.Equal(t, want, region, ip)
	}
}

// Lookups go on while databases are exchanged under them.
func TestLookupsDuringReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "City.mmdb")
	places := [][]byte{database("Berlin", "Germany", "DE"), database("Lima", "Peru", "PE")}
	put(t, path, places[0])
	l := follow(t, path)
	end := time.Now().Add(200 * time.Millisecond)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				if p := place(l); p != "Berlin, Germany|DE" && p != "Lima, Peru|PE" {
					t.Errorf("%q", p)
					return
				}
			}
		})
	}
	for i := 0; time.Now().Before(end); i++ {
		put(t, path, places[i%2])
	}
	wg.Wait()
}
