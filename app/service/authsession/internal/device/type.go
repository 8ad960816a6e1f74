package device

import (
	"slices"
	"strings"
)

// Types of devices. Sign-in policies and lists go by them.
const (
	Android = "android"
	IOS     = "ios"
	Desktop = "desktop"
	Web     = "web"
	Bot     = "bot"
	Other   = "other" // whatever says nothing that we know
)

// Types lists them all.
var Types = []string{Android, IOS, Desktop, Web, Bot, Other}

// Known reports whether there is a type, or none is named: a filter by a type that
// there is not would select nothing, and look like success.
func Known(kind string) bool { return kind == "" || slices.Contains(Types, kind) }

// platformTypes gives each platform that App names its type.
var platformTypes = map[string]string{
	"Android": Android,
	"iOS":     IOS,
	"Desktop": Desktop,
	"macOS":   Desktop,
	"Windows": Desktop,
	"Linux":   Desktop,
	"Web":     Web,
}

// bots are what programs without a user say of themselves; any one suffices.
var bots = []struct {
	model string // the whole device model, in lower case
	app   string // a part of the app version, in lower case
}{
	{model: "server"}, // the Bot API server (tdlib/telegram-bot-api)
	{model: "bot"},
	{app: "bot api"},
	{app: "botapi"},
}

// browsers are device models of web clients, which name the browser there.
var browsers = []string{"chrome", "firefox", "safari", "edge", "opera", "mozilla/"}

// Type classifies a client. What names an app (its api_id, its language pack)
// counts for more than what the app says of its surroundings.
func Type(c Client) string {
	model, app := strings.ToLower(strings.TrimSpace(c.DeviceModel)), strings.ToLower(c.AppVersion)
	known := apps[c.APIID].platform
	pack := packs[strings.ToLower(LangPack(c))].platform
	if known == "" && pack == "" {
		for _, b := range bots {
			if b.model != "" && model == b.model || b.app != "" && strings.Contains(app, b.app) {
				return Bot
			}
		}
		for _, b := range browsers {
			if strings.HasPrefix(model, b) {
				return Web
			}
		}
	}
	_, platform := App(c)
	if t, ok := platformTypes[platform]; ok {
		return t
	}
	return Other
}
