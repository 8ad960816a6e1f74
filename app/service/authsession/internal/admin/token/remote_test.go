package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// issuer is who makes tokens, with a set of keys at a URL.
type issuer struct {
	t       *testing.T
	url     string
	reads   atomic.Int64
	answers func(w http.ResponseWriter) // nil: the set

	mu      sync.Mutex
	private map[string]ed25519.PrivateKey
}

func newIssuer(t *testing.T, kids ...string) *issuer {
	i := &issuer{t: t}
	i.rotate(kids...)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.reads.Add(1)
		if i.answers != nil {
			i.answers(w)
			return
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		var list []string
		for kid, key := range i.private {
			list = append(list, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, kid, base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))))
		}
		_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(list, ","))
	}))
	t.Cleanup(s.Close)
	i.url = s.URL
	return i
}

// rotate replaces all keys.
func (i *issuer) rotate(kids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.private = map[string]ed25519.PrivateKey{}
	for _, kid := range kids {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(i.t, err)
		i.private[kid] = key
	}
}

func (i *issuer) token(kid string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return withKid(i.t, jwt.SigningMethodEdDSA, i.private[kid], kid)
}

// reader is a verifier by the set of an issuer, with a clock that the test moves.
type reader struct {
	*Verifier
	remote *Remote
	ahead  atomic.Int64
	errs   atomic.Pointer[error]
}

func (i *issuer) reader(files map[string]Key) *reader {
	r := &reader{}
	now := func() time.Time { return clock().Add(time.Duration(r.ahead.Load())) }
	r.remote = NewRemote(i.url, now, func(err error) { r.errs.Store(&err) })
	i.t.Cleanup(r.remote.Close)
	r.Verifier = NewVerifier(func() Keys { return Keys{ByID: files, Remote: r.remote} }, Rules{}, clock)
	return r
}

func (r *reader) pass(d time.Duration) { r.ahead.Add(int64(d)) }

// Keys are read with the first token, and again for one that names a key which is new.
func TestKeysAreFollowedAsTheyRotate(t *testing.T) {
	i := newIssuer(t, "one")
	r := i.reader(nil)
	old := i.token("one")
	for range 5 {
		_, err := r.Verify(old)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, i.reads.Load())

	i.rotate("two")
	r.pass(fetchPause)
	_, err := r.Verify(i.token("two"))
	require.NoError(t, err)
	_, err = r.Verify(old)
	require.ErrorIs(t, err, ErrKeyUnknown, "what is not in the set counts no more")
	require.EqualValues(t, 2, i.reads.Load())
}

// A key that is taken out of the set counts no more after five minutes of use, though
// each token names one that is known.
func TestKeysThatAreTakenOutEnd(t *testing.T) {
	i := newIssuer(t, "one", "two")
	r := i.reader(nil)
	one := i.token("one")
	_, err := r.Verify(one)
	require.NoError(t, err)
	i.rotate("two")
	r.pass(refreshAfter)
	require.Eventually(t, func() bool { _, err := r.Verify(one); return errors.Is(err, ErrKeyUnknown) }, 10*time.Second, time.Millisecond)
}

// Names that nobody has are no way to have the set read again and again.
func TestMadeUpNamesCostOneReadInTenSeconds(t *testing.T) {
	i := newIssuer(t, "one")
	r := i.reader(nil)
	made := func(kid string) string { return withKid(t, jwt.SigningMethodHS256, bytes.Repeat([]byte("x"), 40), kid) }
	var callers sync.WaitGroup
	for n := range 50 {
		callers.Go(func() {
			if _, err := r.Verify(made(fmt.Sprint(n))); !errors.Is(err, ErrKeyUnknown) {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	require.EqualValues(t, 1, i.reads.Load())
	r.pass(fetchPause)
	_, _ = r.Verify(made("again"))
	require.EqualValues(t, 2, i.reads.Load())
}

// While the set cannot be read, the keys that are known count, for an hour.
func TestASetThatIsAwayLeavesItsKeysForAnHour(t *testing.T) {
	i := newIssuer(t, "one")
	r := i.reader(nil)
	_, err := r.Verify(i.token("one"))
	require.NoError(t, err)
	i.answers = func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	for range 5 {
		r.pass(refreshAfter)
		_, err = r.Verify(i.token("one"))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return r.errs.Load() != nil }, 10*time.Second, time.Millisecond)
	require.ErrorContains(t, *r.errs.Load(), "answers 502")
	r.pass(believed)
	_, err = r.Verify(i.token("one"))
	require.ErrorIs(t, err, ErrKeyUnknown)
	i.answers = nil
	r.pass(fetchPause)
	_, err = r.Verify(i.token("one"))
	require.NoError(t, err, "it is back")
}

func TestAnswersThatAreNoSet(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"text":     {func(w http.ResponseWriter) { _, _ = w.Write([]byte("no")) }, "is no JSON Web Key Set"},
		"too long": {func(w http.ResponseWriter) { _, _ = w.Write(bytes.Repeat([]byte(" "), maxSet+1)) }, "is longer than"},
		"a redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1")
			w.WriteHeader(http.StatusFound)
		}, "answers 302"},
		"empty": {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":[]}`)) }, "holds no key"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, "one")
			i.answers = tc.answer
			r := i.reader(nil)
			_, err := r.Verify(i.token("one"))
			require.ErrorIs(t, err, ErrKeyUnknown)
			require.Eventually(t, func() bool { return r.errs.Load() != nil }, 10*time.Second, time.Millisecond)
			require.ErrorContains(t, *r.errs.Load(), tc.want)
		})
	}
}

// Why a set could not be read goes to the log, and its address may hold what lets one read it.
func TestTheErrorOfASetDoesNotShowItsAddress(t *testing.T) {
	i := newIssuer(t, "one")
	i.url = "http://127.0.0.1:1/keys?secret=abc" // nobody listens there
	r := i.reader(nil)
	_, err := r.Verify(i.token("one"))
	require.ErrorIs(t, err, ErrKeyUnknown)
	require.Eventually(t, func() bool { return r.errs.Load() != nil }, 10*time.Second, time.Millisecond)
	require.ErrorContains(t, *r.errs.Load(), "cannot be read")
	require.NotContains(t, (*r.errs.Load()).Error(), "abc")
}

// A key of a file comes before one of the set with the same name, and tokens that
// name none have the file's.
func TestFilesComeFirst(t *testing.T) {
	i := newIssuer(t, "one")
	secret := bytes.Repeat([]byte("0123456789abcdef"), 3)
	key, err := HMACKey(secret)
	require.NoError(t, err)
	r := i.reader(map[string]Key{"one": key, "": key})
	for _, kid := range []string{"one", ""} {
		_, err = r.Verify(withKid(t, jwt.SigningMethodHS256, secret, kid))
		require.NoError(t, err)
	}
	require.Zero(t, i.reads.Load())
	_, err = r.Verify(i.token("one"))
	require.ErrorIs(t, err, ErrAlgorithm)
}

func TestCheckURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://sso.example.org/keys": "", "http://127.0.0.1:8080/keys": "", "http://localhost/keys": "", "http://[::1]:1/": "",
		"http://sso.example.org/keys": "is neither https nor on this host", "file:///etc/keys": "is no URL", "keys.json": "is no URL", "": "is no URL",
		"ftp://127.0.0.1/": "is neither https", "https://user:secret@sso.example.org/": "has an account in it", "http://127.0.0.1.example.org/": "is neither https", "https://": "is no URL",
	} {
		err := CheckURL(address)
		if want == "" {
			require.NoError(t, err, address)
			continue
		}
		require.ErrorContains(t, err, want, address)
	}
}
