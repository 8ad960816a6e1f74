package events

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/httperr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/reload"
)

// Headers of a delivery. The body is the event, as it is on the stream.
const (
	headerID        = "X-Event-Id"        // the event's, the same with each attempt
	headerTimestamp = "X-Event-Timestamp" // of the attempt, Unix seconds
	// headerSignature is "v1=" and HMAC-SHA256, in hex, of the timestamp, a full stop
	// and the body. A receiver refuses timestamps that are minutes old: so a delivery
	// that somebody has recorded cannot be repeated later.
	headerSignature = "X-Event-Signature"
)

// sender posts events to one URL.
type sender struct {
	conf   Webhook
	secret *reload.Value[[]byte]
	client *http.Client
}

func newSender(c Webhook) (*sender, error) {
	secret, err := reload.New("Events.Webhooks."+c.Name, []string{c.SecretFile}, time.Now, c.Secret)
	if err != nil {
		return nil, fmt.Errorf("webhook %s: %w", c.Name, err)
	}
	return &sender{conf: c, secret: secret, client: &http.Client{
		Timeout:       c.Timeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: c.Parallel, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// post delivers an event. Any answer but one of success is an error.
func (s *sender) post(ctx context.Context, e row) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.conf.URL, bytes.NewReader([]byte(e.Body)))
	if err != nil {
		return errors.New("the URL cannot be called")
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "authsession")
	request.Header.Set(headerID, e.EventID)
	request.Header.Set(headerTimestamp, timestamp)
	request.Header.Set(headerSignature, "v1="+signature(s.secret.Get(), timestamp, e.Body))
	answer, err := s.client.Do(request)
	if err != nil {
		return httperr.Bare(err) // operators see it, and are not told the query of the URL
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 4096) // so that the connection can be used again
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("answered %d", answer.StatusCode)
	}
	return nil
}

func signature(secret []byte, timestamp, body string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "." + body))
	return hex.EncodeToString(mac.Sum(nil))
}
