package sess

import "time"

// Limits are the limits and times of one key, its sessions and its packets.
// They are keys of the Session block of session.yaml, by these names; LimitTable says
// what each is. Zero values mean its defaults.
type Limits struct {
	// Limits of one key.
	MaxSessions  int `json:",optional"`
	GoneSessions int `json:",optional"`
	MaxTempKeys  int `json:",optional"`
	MaxInFlight  int `json:",optional"`
	MaxQueued    int `json:",optional"`
	QueuedBytes  int `json:",optional"`
	RepeatBytes  int `json:",optional"`
	KeyBytes     int `json:",optional"`
	HeldPackets  int `json:",optional"`
	HeldBytes    int `json:",optional"`
	HeldPushes   int `json:",optional"`

	// Limits of one session.
	Window         int `json:",optional"`
	OutboxMessages int `json:",optional"`
	OutboxBytes    int `json:",optional"`
	AnswerBytes    int `json:",optional"`
	HTTPRequests   int `json:",optional"`

	// Limits of one packet.
	ContainerIn    int `json:",optional"`
	ContainerOut   int `json:",optional"`
	ContainerBytes int `json:",optional"`
	PayloadBytes   int `json:",optional"`
	GunzipBytes    int `json:",optional"`
	GunzipRatio    int `json:",optional"`
	RequestBytes   int `json:",optional"`
	NoLoginBytes   int `json:",optional"`
	GzipFrom       int `json:",optional"`
	DetailedFrom   int `json:",optional"`
	WrapperDepth   int `json:",optional"`

	// Limits of all keys together.
	WorkBytes     int `json:",optional"`
	StrangerBytes int `json:",optional"`

	// Times.
	MaxPast      time.Duration `json:",optional"`
	MaxFuture    time.Duration `json:",optional"`
	AckDelay     time.Duration `json:",optional"`
	ResendAfter  time.Duration `json:",optional"`
	ResendLimit  int           `json:",optional"`
	IdleOffline  time.Duration `json:",optional"`
	IdleClose    time.Duration `json:",optional"`
	OnlineEvery  time.Duration `json:",optional"`
	OnlineFor    time.Duration `json:",optional"`
	OfflineAfter time.Duration `json:",optional"`
	AfterWait    time.Duration `json:",optional"`
	PushedWait   time.Duration `json:",optional"`
	SaltGrace    time.Duration `json:",optional"`
	SaltRetry    time.Duration `json:",optional"`
	StateRefresh time.Duration `json:",optional"`
	LoginRecheck time.Duration `json:",optional"`
	StoreEvery   time.Duration `json:",optional"`
	HTTPMaxWait  time.Duration `json:",optional"`
	// AllowSeqnoDisorder switches the checks BAD-32 and BAD-33 off, for
	// clients that repeat a call under a new id with its old seqno.
	AllowSeqnoDisorder bool `json:",optional"`
}

// SetDefaults fills in what is zero. KeyBytes follows AnswerBytes where that is more.
func (l *Limits) SetDefaults() {
	if l.KeyBytes == 0 && l.AnswerBytes > 0 {
		l.KeyBytes = max(usualKeyBytes, l.AnswerBytes)
	}
	LimitTable.SetDefaults(l)
}
