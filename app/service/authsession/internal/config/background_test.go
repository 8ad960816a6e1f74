package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zconf "github.com/zeromicro/go-zero/core/conf"
)

func background(t *testing.T, yaml string) (Config, error) {
	t.Helper()
	var c Config
	err := zconf.LoadFromYamlBytes([]byte(`
Name: test
ListenOn: 127.0.0.1:0
Mysql: {DSN: "root@tcp(127.0.0.1:3306)/teamgram"}
Cache: [{Host: "127.0.0.1:6379"}]
KV: [{Host: "127.0.0.1:6379"}]
`+yaml), &c)
	return c, err
}

func TestDefaultsOfBackgroundWork(t *testing.T) {
	c, err := background(t, "")
	require.NoError(t, err)
	require.Equal(t, Touch{CacheInterval: time.Minute, DBInterval: 10 * time.Minute}, c.Touch)
	require.Equal(t, Cleanup{Enabled: true, Period: time.Hour, InactiveAfter: 180 * 24 * time.Hour, BatchSize: 500, Sleep: 200 * time.Millisecond, JitterPct: 10, KeepEnded: 365 * 24 * time.Hour}, c.Cleanup)
	require.Equal(t, Warmup{Enabled: true, Logins: 20_000, PerSecond: 200, ActiveWithin: 24 * time.Hour}, c.Warmup)
	require.Equal(t, Events{MaxLen: 100_000, Poll: 500 * time.Millisecond, Batch: 200, Retain: 24 * time.Hour}, c.Events)
	require.False(t, c.Events.Enabled())
	require.Equal(t, GeoIP{ReloadInterval: time.Minute}, c.GeoIP)
}

func TestBoundsOfBackgroundWork(t *testing.T) {
	for yaml, key := range map[string]string{
		"Touch: {CacheInterval: 10ms}":                                        "Touch",
		"Touch: {DBInterval: 10s}":                                            "Touch",
		"Touch: {DBInterval: 12h}":                                            "Touch.DBInterval",
		"Touch: {DBInterval: 6h}\nCleanup: {InactiveAfter: 18h}":              "",
		"Cleanup: {InactiveAfter: 30m}":                                       "Cleanup.InactiveAfter",
		"Cleanup: {InactiveAfter: 5h}\nTouch: {DBInterval: 2h}":               "Cleanup.InactiveAfter",
		"Cleanup: {Period: 0s}":                                               "Cleanup",
		"Cleanup: {BatchSize: 5001}":                                          "Cleanup",
		"Cleanup: {Sleep: 31s}":                                               "Cleanup",
		"Cleanup: {KeepEnded: 23h}":                                           "Cleanup.KeepEnded",
		"Cleanup: {KeepEnded: -1h}":                                           "Cleanup.KeepEnded",
		"Cleanup: {KeepEnded: 24h}":                                           "",
		"Cleanup: {KeepEnded: 0s}":                                            "",
		"Cleanup: {JitterPct: 51}":                                            "Cleanup",
		"Events: {Stream: s, MaxLen: 0}":                                      "Events",
		"Events: {Stream: s, Poll: 1ms}":                                      "Events",
		"Events: {Stream: s, Batch: 1001}":                                    "Events",
		"Events: {Batch: 1001}":                                               "", // there are none
		"Cleanup: {Enabled: false, InactiveAfter: 1s}":                        "",
		"Events: {Stream: s, Touched: true}\nTouch: {CacheInterval: 10m}":     "",
		"Warmup: {ActiveWithin: 59s}":                                         "Warmup",
		"Warmup: {ActiveWithin: 721h}":                                        "Warmup",
		"Warmup: {Logins: 1000000}":                                           "Warmup.Logins",
		"Warmup: {Logins: 720000}":                                            "",
		"Warmup: {Logins: 1000000, PerSecond: 300}":                           "",
		"Warmup: {Logins: 0}":                                                 "Warmup",
		"Warmup: {PerSecond: 0}":                                              "Warmup",
		"Warmup: {PerSecond: 10001}":                                          "Warmup",
		"Warmup: {Enabled: false, ActiveWithin: 0s}":                          "",
		"Sessions: {AnnounceLogins: true}":                                    "Sessions.AnnounceLogins",
		"Sessions: {AnnounceLogins: true, ConfirmWithin: 168h}":               "",
		"GeoIP: {Path: /nowhere.mmdb, ReloadInterval: 1h}\nSweep: {Batch: 1}": "",
	} {
		t.Run(yaml, func(t *testing.T) {
			_, err := background(t, yaml)
			if key == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, key+" ")
		})
	}
}
