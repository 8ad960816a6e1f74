package token

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/service/authsession/internal/httperr"
)

const (
	maxSet       = 1 << 20          // bytes of a set
	fetchTime    = 5 * time.Second  // to read one
	fetchPause   = 10 * time.Second // between two reads, whoever asks for what
	refreshAfter = 5 * time.Minute  // a set that was read before that is read again, beside its use
	believed     = time.Hour        // a set that could not be read again for so long counts no more
)

// Remote is a JSON Web Key Set at a URL: keys of who makes tokens, as they are
// replaced there. It is read when tokens come: the first time, every five minutes,
// and for a kid that it does not have, but once in ten seconds at most, so that
// tokens with made-up names cost nothing. What cannot be read leaves the keys as they
// are, for an hour. It may be used from any goroutine; Close ends it.
type Remote struct {
	url    string
	client *http.Client
	now    func() time.Time
	failed func(error)

	alive context.Context
	stop  context.CancelFunc
	reads sync.WaitGroup

	mu      sync.Mutex
	keys    map[string]Key
	read    time.Time     // when keys were
	tried   time.Time     // when a read began
	reading chan struct{} // closed when the read under way has ended; nil: none is
}

// CheckURL returns what is wrong with the address of a set, as a predicate: who
// could change the answer under way could make tokens.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("is no URL")
	case u.User != nil:
		return errors.New("has an account in it, which would be shown in messages")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("is neither https nor on this host")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// NewRemote returns the set at an address that CheckURL has found well. failed hears
// why it could not be read.
func NewRemote(address string, now func() time.Time, failed func(error)) *Remote {
	r := &Remote{url: address, now: now, failed: failed, client: &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	r.alive, r.stop = context.WithCancel(context.Background())
	return r
}

// Close ends a read that is under way, and begins no other. On a nil Remote it does
// nothing.
func (r *Remote) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.stop()
	r.mu.Unlock()
	r.reads.Wait()
}

// Key returns the key of a name. It waits for the set, five seconds at most, where
// the name is not in it and it may be read.
func (r *Remote) Key(id string) (Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, known := r.key(id)
	if !known || r.now().Sub(r.read) >= refreshAfter {
		r.begin()
	}
	if reading := r.reading; !known && reading != nil {
		r.mu.Unlock()
		<-reading
		r.mu.Lock()
		key, known = r.key(id)
	}
	return key, known
}

func (r *Remote) key(id string) (Key, bool) {
	if r.now().Sub(r.read) >= believed {
		return Key{}, false
	}
	key, known := r.keys[id]
	return key, known
}

// begin reads the set, unless that is under way or was a moment ago.
func (r *Remote) begin() {
	if r.reading != nil || r.now().Sub(r.tried) < fetchPause || r.alive.Err() != nil {
		return
	}
	r.tried = r.now()
	done := make(chan struct{})
	r.reading = done
	r.reads.Go(func() {
		keys, err := r.fetch()
		r.mu.Lock()
		if err == nil {
			r.keys, r.read = keys, r.now()
		}
		r.reading = nil
		r.mu.Unlock()
		close(done)
		if err != nil && r.alive.Err() == nil {
			r.failed(err)
		}
	})
}

func (r *Remote) fetch() (map[string]Key, error) {
	request, err := http.NewRequestWithContext(r.alive, http.MethodGet, r.url, http.NoBody)
	if err != nil {
		return nil, httperr.Bare(err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot be read (%w)", httperr.Bare(err))
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answers %s", answer.Status)
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxSet+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read (%w)", err)
	}
	if len(content) > maxSet {
		return nil, fmt.Errorf("is longer than %d bytes", maxSet)
	}
	return JWKS(content)
}
