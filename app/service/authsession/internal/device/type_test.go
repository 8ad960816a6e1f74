package device

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestType(t *testing.T) {
	for _, tc := range []struct {
		name   string
		client Client
		want   string
	}{
		{"official Android", Client{APIID: 6, LangPack: "android", SystemVersion: "SDK 35"}, Android},
		{"Android X", Client{APIID: 21724, LangPack: "android_x"}, Android},
		{"own Android app, by its pack", Client{APIID: 999999, LangPack: "android"}, Android},
		{"own Android app, by its system", Client{APIID: 999999, SystemVersion: "SDK 33"}, Android},
		{"official iOS", Client{APIID: 8, LangPack: "ios"}, IOS},
		{"own iPad app", Client{APIID: 999999, SystemVersion: "iPadOS 18"}, IOS},
		{"Desktop", Client{APIID: 2040, LangPack: "tdesktop", SystemVersion: "Windows 11"}, Desktop},
		{"macOS", Client{APIID: 2834, LangPack: "macos"}, Desktop},
		{"own app on Linux", Client{APIID: 999999, SystemVersion: "Ubuntu 24.04"}, Desktop},
		{"own app on Windows", Client{APIID: 999999, SystemVersion: "Windows 10"}, Desktop},
		{"Web K", Client{APIID: 2496, LangPack: "webk", DeviceModel: "Chrome 130"}, Web},
		{"Web A", Client{APIID: 2496, AppVersion: "10.9.1 A", SystemVersion: "Android"}, Web},
		{"own web app on a phone", Client{APIID: 999999, DeviceModel: "Firefox", SystemVersion: "Android 14"}, Web},
		{"Bot API server", Client{APIID: 999999, DeviceModel: "server", AppVersion: "8.1"}, Bot},
		{"bot on Linux", Client{APIID: 999999, AppVersion: "My Bot API 1", SystemVersion: "Linux"}, Bot},
		{"a phone called server", Client{APIID: 6, LangPack: "android", DeviceModel: "server"}, Android},
		{"unknown system", Client{APIID: 999999, SystemVersion: "Plan 9"}, Other},
		{"nothing known", Client{}, Other},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, Type(tc.client))
		})
	}
}

func TestEveryPlatformHasAType(t *testing.T) {
	check := func(platform string) {
		require.Contains(t, platformTypes, platform)
		require.True(t, slices.Contains(Types, platformTypes[platform]))
	}
	for _, a := range apps {
		check(a.platform)
	}
	for _, a := range packs {
		check(a.platform)
	}
	for _, version := range []string{"SDK 35", "iPhone", "Mac OS X", "Windows", "Debian"} {
		check(system(version))
	}
	for _, kind := range Types {
		require.LessOrEqual(t, len(kind), 16, "the column's width")
	}
}
