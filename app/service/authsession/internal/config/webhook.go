package config

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/tgsession/tgsession/app/internal/conf"
)

// Webhook is a second way for events, beside the stream: each is posted to a URL.
type Webhook struct {
	Name       string        // of letters and digits, at most 14; where it stopped is kept by it
	URL        string        // https; http to this host alone, unless AllowPlain
	SecretFile string        // at least 32 bytes; read again when it changes
	Types      []string      `json:",optional"`     // of events; none: all
	Timeout    time.Duration `json:",default=5s"`   // of a delivery, 100ms to 1m
	Attempts   int           `json:",default=12"`   // until an event is given up, 1 to 100
	Backoff    time.Duration `json:",default=1s"`   // after the first failure, doubled with each, up to MaxBackoff
	MaxBackoff time.Duration `json:",default=10m"`  // at most 1h
	Parallel   int           `json:",default=8"`    // deliveries at a time, of different users, 1 to 100
	Queue      int           `json:",default=1000"` // events in memory, 1 to 100000; others wait in MySQL
	AllowPlain bool          `json:",optional"`
}

const (
	maxWebhooks = 8
	minHookKey  = 32
)

var hookName = regexp.MustCompile(`^[A-Za-z0-9]{1,14}$`)

func (e *Events) validateWebhooks() error {
	if len(e.Webhooks) > 0 && !e.Enabled() {
		return &conf.KeyError{Key: "Events.Webhooks", Problem: "need a stream, whose batches they follow", Fix: "set Events.Stream"}
	}
	if len(e.Webhooks) > maxWebhooks {
		return &conf.KeyError{Key: "Events.Webhooks", Problem: "are too many", Fix: fmt.Sprintf("name %d at most", maxWebhooks)}
	}
	for i := range e.Webhooks {
		w := &e.Webhooks[i]
		at := fmt.Sprintf("Events.Webhooks[%d]", i)
		if !hookName.MatchString(w.Name) || slices.ContainsFunc(e.Webhooks[:i], func(other Webhook) bool { return other.Name == w.Name }) {
			return &conf.KeyError{Key: at + ".Name", Problem: fmt.Sprintf("is %q", w.Name), Fix: "give each a name of its own, of 1 to 14 letters and digits"}
		}
		if err := w.validate(at); err != nil {
			return err
		}
	}
	return nil
}

func (w *Webhook) validate(at string) error {
	target, err := url.Parse(w.URL)
	if err != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http" || target.User != nil {
		return &conf.KeyError{Key: at + ".URL", Problem: "is no URL that events can be posted to", Fix: "set one with https, and no password in it"}
	}
	if target.Scheme == "http" && !w.AllowPlain && !loopback(target.Hostname()) {
		return &conf.KeyError{Key: at + ".URL", Problem: "sends events unencrypted to another host", Fix: "use https, or set AllowPlain: true where something else encrypts"}
	}
	if w.MaxBackoff < w.Backoff {
		return &conf.KeyError{Key: at + ".MaxBackoff", Problem: fmt.Sprintf("is %v, less than Backoff (%v)", w.MaxBackoff, w.Backoff), Fix: "give Backoff to 1h"}
	}
	if _, err := w.Secret(); err != nil {
		return &conf.KeyError{Key: at + ".SecretFile", Problem: err.Error(), Fix: "make one with: openssl rand -hex 32"}
	}
	return nil
}

// Secret reads the key that deliveries are signed with.
func (w *Webhook) Secret() ([]byte, error) {
	content, err := conf.ReadSecret(w.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("cannot be read (%w)", err)
	}
	secret := bytes.TrimSpace(content)
	if len(secret) < minHookKey {
		return nil, fmt.Errorf("holds %d bytes, fewer than %d", len(secret), minHookKey)
	}
	return secret, nil
}
