package sess

import (
	"fmt"
	"runtime"
	"time"

	"github.com/tgsession/tgsession/proto/tl"
)

// Config holds the limits and times of all wrappers of a node. Call SetDefaults
// once, before the first New; from then on it is read only and shared.
type Config struct {
	Limits

	// NoLoginAllow and NoLoginDeny name methods, as auth.signIn, that are
	// added to and taken from the built-in list of those that need no login.
	NoLoginAllow, NoLoginDeny []string

	// RemoteWait is how long a call is waited for that another node has made, when
	// the key has moved here. Zero value means 70 s: that node's own patience, and
	// some for the way.
	RemoteWait time.Duration

	// HandOffWait is how long a key that another node asks for waits for what peers
	// were asked for. Zero value means 500 ms. It must be shorter than that node's own
	// patience: else it begins the key anew, and what was done here may be done again.
	HandOffWait time.Duration

	// Set by SetDefaults.
	noLogin   map[string]bool // the methods whose built-in rule is overruled
	turns     chan struct{}   // holds one for each packet that is read in WorkBytes
	strangers *strangers      // what they have left
	fanOut    *fanOut         // updates that were written for another key
}

// SetDefaults fills in what is zero.
func (c *Config) SetDefaults() {
	ints := []struct {
		field *int
		value int
	}{
		{&c.MaxSessions, 64}, {&c.GoneSessions, 64}, {&c.MaxTempKeys, 32}, {&c.MaxInFlight, 32}, {&c.MaxQueued, 256}, {&c.QueuedBytes, 16 << 20},
		{&c.HeldPackets, 32}, {&c.HeldBytes, 4 << 20}, {&c.HeldPushes, 100}, {&c.HTTPRequests, 4},
		{&c.Window, 400}, {&c.OutboxMessages, 400}, {&c.OutboxBytes, 1 << 20}, {&c.AnswerBytes, 16 << 20},
		{&c.ContainerIn, 1024}, {&c.ContainerOut, 1020}, {&c.ContainerBytes, 1 << 20},
		{&c.PayloadBytes, 7 << 19}, {&c.GunzipBytes, 10 << 20}, {&c.GunzipRatio, 100},
		{&c.RequestBytes, 4 << 20}, {&c.NoLoginBytes, 256 << 10}, {&c.WorkBytes, 256 << 20}, {&c.StrangerBytes, 4 << 20},
		{&c.GzipFrom, 512}, {&c.RepeatBytes, 4 << 20}, {&c.DetailedFrom, 4096}, {&c.WrapperDepth, 16}, {&c.ResendLimit, 2},
	}
	for _, f := range ints {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if c.KeyBytes == 0 {
		c.KeyBytes = max(32<<20, c.AnswerBytes)
	}
	times := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.MaxPast, 300 * time.Second}, {&c.MaxFuture, 30 * time.Second},
		{&c.AckDelay, 300 * time.Millisecond}, {&c.ResendAfter, 60 * time.Second},
		{&c.IdleOffline, 75 * time.Second}, {&c.IdleClose, 180 * time.Second},
		{&c.OnlineEvery, 45 * time.Second}, {&c.OnlineFor, 60 * time.Second},
		{&c.OfflineAfter, 3 * time.Second},
		{&c.AfterWait, 2 * time.Second}, {&c.PushedWait, 30 * time.Second},
		{&c.SaltGrace, 1800 * time.Second}, {&c.SaltRetry, 30 * time.Second},
		{&c.StateRefresh, 2 * time.Second}, {&c.LoginRecheck, 60 * time.Second},
		{&c.StoreEvery, 15 * time.Second}, {&c.HTTPMaxWait, 25 * time.Second}, {&c.RemoteWait, 70 * time.Second}, {&c.HandOffWait, 500 * time.Millisecond},
	}
	for _, f := range times {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	// Each grows by copying; half of the processors are left to what is small.
	c.turns = make(chan struct{}, max(1, min(c.WorkBytes/(2*(c.GunzipBytes+c.RequestBytes)), runtime.GOMAXPROCS(0)/2)))
	c.strangers = &strangers{rooms: map[origin]room{}}
	c.fanOut = newFanOut()
	c.noLogin = make(map[string]bool, len(c.NoLoginAllow)+len(c.NoLoginDeny))
	for _, name := range c.NoLoginAllow {
		c.noLogin[name] = true
	}
	for _, name := range c.NoLoginDeny {
		c.noLogin[name] = false
	}
}

// Validate names the first value that no server can work with. It is meant for
// a Config whose defaults are set.
func (c *Config) Validate() error {
	for _, f := range []struct {
		name            string
		value, min, max int
	}{
		{"MaxSessions", c.MaxSessions, 1, 4096},
		{"GoneSessions", c.GoneSessions, 1, 4096},
		{"MaxTempKeys", c.MaxTempKeys, 1, 4096},
		{"MaxInFlight", c.MaxInFlight, 1, 4096},
		{"MaxQueued", c.MaxQueued, 1, 1 << 16},
		{"QueuedBytes", c.QueuedBytes, 1 << 10, 1 << 30},
		{"HeldPackets", c.HeldPackets, 1, 4096},
		{"HeldBytes", c.HeldBytes, 1 << 10, 1 << 28},
		{"HeldPushes", c.HeldPushes, 1, 4096},
		{"HTTPRequests", c.HTTPRequests, 1, 4096},
		{"Window", c.Window, 16, 1 << 16},
		{"OutboxMessages", c.OutboxMessages, 2, 1 << 16},
		{"OutboxBytes", c.OutboxBytes, 1 << 10, 1 << 28},
		{"AnswerBytes", c.AnswerBytes, c.OutboxBytes, 1 << 30},
		{"RepeatBytes", c.RepeatBytes, 1 << 16, 1 << 28},
		{"KeyBytes", c.KeyBytes, c.AnswerBytes, 1 << 34},
		{"ContainerIn", c.ContainerIn, 2, 1 << 16},
		{"ContainerOut", c.ContainerOut, 2, 1024},
		{"ContainerBytes", c.ContainerBytes, 1 << 10, 1 << 24},
		{"PayloadBytes", c.PayloadBytes, 1 << 11, 1 << 24},
		{"GunzipBytes", c.GunzipBytes, 1 << 10, 1 << 28},
		{"GunzipRatio", c.GunzipRatio, 2, 1032},
		{"RequestBytes", c.RequestBytes, 1 << 16, tl.MaxOutput},
		{"NoLoginBytes", c.NoLoginBytes, 1 << 14, 1 << 28},
		{"WorkBytes", c.WorkBytes, 1 << 20, 1 << 40},
		{"StrangerBytes", c.StrangerBytes, c.NoLoginBytes, 1 << 40},
		{"GzipFrom", c.GzipFrom, 64, 1 << 30},
		{"DetailedFrom", c.DetailedFrom, 64, 1 << 30},
		{"WrapperDepth", c.WrapperDepth, 4, 64},
		{"ResendLimit", c.ResendLimit, 1, 16},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("sess: %s is %d, want %d to %d", f.name, f.value, f.min, f.max)
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"MaxPast", c.MaxPast}, {"MaxFuture", c.MaxFuture}, {"AckDelay", c.AckDelay},
		{"ResendAfter", c.ResendAfter}, {"IdleOffline", c.IdleOffline}, {"IdleClose", c.IdleClose},
		{"OnlineEvery", c.OnlineEvery}, {"OnlineFor", c.OnlineFor}, {"OfflineAfter", c.OfflineAfter}, {"AfterWait", c.AfterWait},
		{"PushedWait", c.PushedWait}, {"SaltGrace", c.SaltGrace}, {"SaltRetry", c.SaltRetry},
		{"StateRefresh", c.StateRefresh}, {"LoginRecheck", c.LoginRecheck}, {"StoreEvery", c.StoreEvery}, {"HTTPMaxWait", c.HTTPMaxWait},
	} {
		if f.value < time.Millisecond || f.value > 24*time.Hour {
			return fmt.Errorf("sess: %s is %v, want 1ms to 24h", f.name, f.value)
		}
	}
	// A client acknowledges what it got after up to 30 s (rule ACK-8).
	if least := 30 * time.Second; c.ResendAfter <= least {
		return fmt.Errorf("sess: ResendAfter is %v, want more than %v: clients acknowledge as late, and everything would leave twice", c.ResendAfter, least)
	}
	if c.OnlineEvery >= c.OnlineFor {
		return fmt.Errorf("sess: OnlineEvery %v must be below OnlineFor %v", c.OnlineEvery, c.OnlineFor)
	}
	if c.PayloadBytes < c.ContainerBytes+64 {
		return fmt.Errorf("sess: PayloadBytes %d cannot carry a container of %d", c.PayloadBytes, c.ContainerBytes)
	}
	return nil
}
