package versus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const profileTimeout = time.Minute // beyond the time that is profiled

// profile writes what session does under a row's load: KEY.cpu, KEY.heap and
// KEY.allocs (all allocations since its start), each for `go tool pprof`. The load
// is one of its own, behind the measurements: profiling costs.
func (r *run) profile(ctx context.Context, key string, l *load) error {
	if r.ProfileDir == "" {
		return nil
	}
	r.say("  profile, %s", r.ProfileFor)
	loading, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		var err error
		for loading.Err() == nil && err == nil {
			_, err = l.do(loading, r.Callers, r.Operations)
		}
		if loading.Err() != nil {
			err = nil // it was stopped
		}
		done <- err
	}()
	err := r.fetchProfile(ctx, l.t, fmt.Sprintf("profile?seconds=%d", int(r.ProfileFor.Seconds())), key+".cpu")
	stop()
	if failed := <-done; failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	if err := r.fetchProfile(ctx, l.t, "heap?gc=1", key+".heap"); err != nil {
		return err
	}
	return r.fetchProfile(ctx, l.t, "allocs", key+".allocs")
}

// fetchProfile writes one profile of a target to ProfileDir, when there is one.
func (r *run) fetchProfile(ctx context.Context, t *target, what, name string) error {
	if r.ProfileDir == "" {
		return nil
	}
	if err := os.MkdirAll(r.ProfileDir, 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.ProfileDir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := t.debugGet(ctx, profileTimeout+r.ProfileFor, what, f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// collect has a target collect its garbage.
func (r *run) collect(ctx context.Context, t *target) error {
	return t.debugGet(ctx, profileTimeout, "heap?gc=1", io.Discard)
}

// debugGet reads what a target's debug server says.
func (t *target) debugGet(ctx context.Context, timeout time.Duration, what string, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.debug+"/debug/pprof/"+what, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL, resp.Status)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}
