// Package device names the client behind a login from what it said in
// initConnection.
package device

import (
	"strings"
	"unicode/utf8"
)

// Client is what the classification looks at.
type Client struct {
	APIID         int32
	LangPack      string
	AppVersion    string
	SystemVersion string
	DeviceModel   string
}

// app is a client whose api_id is public.
type app struct{ name, platform string }

// apps are the published api_ids of the official clients.
var apps = map[int32]app{
	1:      {"Telegram iOS", "iOS"},
	4:      {"Telegram Android", "Android"},
	6:      {"Telegram Android", "Android"},
	8:      {"Telegram iOS", "iOS"},
	2040:   {"Telegram Desktop", "Desktop"},
	2496:   {"Telegram Web", "Web"},
	2834:   {"Telegram macOS", "macOS"},
	2899:   {"Telegram for Android X", "Android"},
	10840:  {"Telegram iOS", "iOS"},
	17349:  {"Telegram Desktop", "Desktop"},
	21724:  {"Telegram Android X", "Android"},
	9:      {"Telegram macOS", "macOS"},
	611335: {"Telegram Desktop", "Desktop"},
}

// packs are the language packs, which name a platform for any api_id.
var packs = map[string]app{
	"android":   {"Android app", "Android"},
	"android_x": {"Android X app", "Android"},
	"ios":       {"iOS app", "iOS"},
	"macos":     {"macOS app", "macOS"},
	"tdesktop":  {"Desktop app", "Desktop"},
	"weba":      {"Telegram Web A", "Web"},
	"webk":      {"Telegram Web K", "Web"},
	"webogram":  {"Telegram Web", "Web"},
	"web":       {"Telegram Web", "Web"},
}

// App names the app and its platform; both are empty when nothing is known,
// the name is the language pack when that is unknown.
func App(c Client) (name, platform string) {
	pack := LangPack(c)
	if a, ok := apps[c.APIID]; ok && a.platform != "Web" {
		return a.name, a.platform
	}
	if a, ok := packs[strings.ToLower(pack)]; ok {
		return a.name, a.platform
	}
	if a, ok := apps[c.APIID]; ok {
		return a.name, a.platform
	}
	return pack, system(c.SystemVersion)
}

// system guesses the platform of an unknown client.
func system(version string) string {
	v := strings.ToLower(version)
	for _, guess := range []struct{ part, platform string }{
		{"android", "Android"},
		{"sdk ", "Android"},
		{"ios", "iOS"},
		{"iphone", "iOS"},
		{"ipad", "iOS"},
		{"macos", "macOS"},
		{"mac os", "macOS"},
		{"windows", "Windows"},
		{"linux", "Linux"},
		{"ubuntu", "Linux"},
		{"debian", "Linux"},
		{"fedora", "Linux"},
	} {
		if strings.Contains(v, guess.part) {
			return guess.platform
		}
	}
	return ""
}

// LangPack is the client's language pack; Web A sends none and is known by
// the end of its version.
func LangPack(c Client) string {
	if c.LangPack == "" && (strings.HasSuffix(c.AppVersion, " A") || strings.HasSuffix(c.AppVersion, " Z")) {
		return "weba"
	}
	return c.LangPack
}

// Name is the short name that peers switch on: the language pack, but "react"
// for TDLib's Android.
func Name(c Client) string {
	if c.LangPack == "android" && strings.Contains(c.AppVersion, "TDLib") {
		return "react"
	}
	return LangPack(c)
}

// Text makes a client's string fit for a column of at most n characters: valid
// UTF-8, cut between characters.
func Text(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
