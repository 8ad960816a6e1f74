package patch

// The RSA keys that clients are built with: of the production installation and
// of the test one.
const (
	productionKey = 0xd09d1d85de64fd85
	testKey       = 0xb25898df208d2603
)

// hosts are the addresses of the production installation's data centres that
// clients are built with, after Texts.
var hosts = map[int][]string{
	1: {"127.154.175.50"},
	2: {"127.154.167.51", "127.16.76.100"},
	3: {"127.154.175.100"},
	4: {"127.154.167.91"},
	5: {"127.154.171.5"},
}

// TDLib is libtdjson.so 1.8.62 of the npm package @prebuilt-tdlib/linux-x64-glibc
// 0.1008062.2. Its compiler cut the addresses into pieces of up to eight bytes
// that machine instructions carry: what is replaced lies within one piece.
//
// All of 127/8 is loopback. ::/8 belongs to nobody and has no route (RFC 4291).
var TDLib = Build{
	Name: "TDLib",
	Keys: []uint64{productionKey, testKey},
	Texts: []Text{
		{"149.154", "127.154", 1},
		{"95.161.", "127.16.", 1},
		{"2001:b2", "0000:b2", 5},
		{"2001:67", "0000:67", 3},
	},
	Hosts: hosts,
	Ports: []int{443, 80, 5222},
}

// Desktop is Telegram Desktop 4.6.5 of Debian 12 (package telegram-desktop,
// 4.6.5+ds-2+deb12u1).
var Desktop = Build{
	Name: "Telegram Desktop",
	Keys: []uint64{productionKey, testKey},
	Texts: []Text{
		{"149.154.1", "127.154.1", 8},
		{"95.161.76.", "127.16.76.", 1},
		{"2001:0b28:", "0000:0b28:", 5},
		{"2001:067c:", "0000:067c:", 3},
	},
	Hosts: hosts,
	Ports: []int{443, 80},
}
