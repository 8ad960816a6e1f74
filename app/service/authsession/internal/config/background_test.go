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
		"Touch: {CacheInterval: 10ms}":                                        "Touch.CacheInterval is 10ms: give 1s to 8h",
		"Touch: {DBInterval: 10s}":                                            "Touch.DBInterval is 10s, less than Touch.CacheInterval (1m0s)",
		"Touch: {DBInterval: 12h}":                                            "Touch.DBInterval",
		"Touch: {DBInterval: 6h}\nCleanup: {InactiveAfter: 18h}":              "",
		"Cleanup: {InactiveAfter: 30m}":                                       "Cleanup.InactiveAfter",
		"Cleanup: {InactiveAfter: 5h}\nTouch: {DBInterval: 2h}":               "Cleanup.InactiveAfter",
		"Cleanup: {Period: 0s}":                                               "Cleanup.Period is 0s: give",
		"Cleanup: {BatchSize: 5001}":                                          "Cleanup.BatchSize is 5001: give",
		"Cleanup: {Sleep: 31s}":                                               "Cleanup.Sleep is 31s: give",
		"Cleanup: {KeepEnded: 23h}":                                           "Cleanup.KeepEnded",
		"Cleanup: {KeepEnded: -1h}":                                           "Cleanup.KeepEnded",
		"Cleanup: {KeepEnded: 24h}":                                           "",
		"Cleanup: {KeepEnded: 0s}":                                            "",
		"Cleanup: {JitterPct: 51}":                                            "Cleanup.JitterPct is 51: give",
		"Events: {Stream: s, MaxLen: 0}":                                      "Events.MaxLen is 0: give",
		"Events: {Stream: s, Poll: 1ms}":                                      "Events.Poll is 1ms: give",
		"Events: {Stream: s, Batch: 1001}":                                    "Events.Batch is 1001: give",
		"Events: {Batch: 1001}":                                               "", // there are none
		"Cleanup: {Enabled: false, InactiveAfter: 1s}":                        "",
		"Events: {Stream: s, Touched: true}\nTouch: {CacheInterval: 10m}":     "",
		"Warmup: {ActiveWithin: 59s}":                                         "Warmup.ActiveWithin is 59s: give",
		"Warmup: {ActiveWithin: 721h}":                                        "Warmup.ActiveWithin is 721h: give",
		"Warmup: {Logins: 1000000}":                                           "Warmup.Logins",
		"Warmup: {Logins: 720000}":                                            "",
		"Warmup: {Logins: 1000000, PerSecond: 300}":                           "",
		"Warmup: {Logins: 0}":                                                 "Warmup.Logins is 0: give",
		"Warmup: {PerSecond: 0}":                                              "Warmup.PerSecond is 0: give",
		"Warmup: {PerSecond: 10001}":                                          "Warmup.PerSecond is 10001: give",
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
			require.ErrorContains(t, err, key)
		})
	}
}
