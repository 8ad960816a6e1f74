package device

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestClassification(t *testing.T) {
	for _, tc := range []struct {
		name                               string
		client                             Client
		app, platform, shortName, langPack string
	}{
		{"official Android", Client{APIID: 6, LangPack: "android", AppVersion: "11.4.2"}, "Telegram Android", "Android", "android", "android"},
		{"Android with TDLib", Client{APIID: 94575, LangPack: "android", AppVersion: "0.1 TDLib 1.8"}, "Android app", "Android", "react", "android"},
		{"Desktop", Client{APIID: 2040, LangPack: "tdesktop", AppVersion: "5.8 x64"}, "Telegram Desktop", "Desktop", "tdesktop", "tdesktop"},
		{"Web A sends no pack", Client{APIID: 2496, AppVersion: "10.9.1 A"}, "Telegram Web A", "Web", "weba", "weba"},
		{"its older name Z", Client{APIID: 2496, AppVersion: "1.60 Z"}, "Telegram Web A", "Web", "weba", "weba"},
		{"Web K", Client{APIID: 2496, LangPack: "webk", AppVersion: "2.2 K"}, "Telegram Web K", "Web", "webk", "webk"},
		{"own app with a known pack", Client{APIID: 123456, LangPack: "ios"}, "iOS app", "iOS", "ios", "ios"},
		{"own app on Linux", Client{APIID: 123456, LangPack: "mine", SystemVersion: "Debian 12"}, "mine", "Linux", "mine", "mine"},
		{"nothing known", Client{}, "", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app, platform := App(tc.client)
			require.Equal(t, []string{tc.app, tc.platform, tc.shortName, tc.langPack},
				[]string{app, platform, Name(tc.client), LangPack(tc.client)})
		})
	}
}

func TestTextFitsItsColumn(t *testing.T) {
	require.Equal(t, "short", Text("short", 255))
	require.Equal(t, strings.Repeat("ж", 255), Text(strings.Repeat("ж", 300), 255), "cut by character, not byte")
	require.Equal(t, strings.Repeat("ж", 200), Text(strings.Repeat("ж", 200), 255), "200 characters fit whatever their bytes")
	require.Equal(t, "a\uFFFDb", Text("a\xff\xfeb", 255))
	require.Equal(t, "", Text("abc", 0))
}

func FuzzText(f *testing.F) {
	f.Add("a\xffж", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 {
			return
		}
		out := Text(s, n)
		if !utf8.ValidString(out) || utf8.RuneCountInString(out) > n {
			t.Fatalf("%q", out)
		}
	})
}
