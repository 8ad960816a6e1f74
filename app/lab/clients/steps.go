package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/pause"
)

// skew is how far a wrong clock is off.
const skew = time.Hour

// walking are the phases of the walk.
func walking() []phase {
	return []phase{
		{busy: true, lanes: [][]step{{
			{name: "connect", about: "key exchange", run: connect},
			{name: "login", about: "login, sign-up", run: signUp},
			{name: "me", about: "who am I", run: me},
			{name: "2fa", about: "login with a password", run: secondFactor},
			{name: "talk", about: "send and receive, both ways", run: talk},
			{name: "dialogs", about: "list of dialogs", run: dialogs},
			{name: "calls", about: "100 calls in flight, the slowest", run: manyCalls},
			{name: "packed", about: "packed calls", run: packed},
			{name: "files", about: "8 MB up and down beside quick calls", run: files, bound: 2 * time.Minute},
			{name: "stored", about: "next start with the stored key", run: stored},
			{name: "clock+", about: "clock an hour ahead", run: clock(skew)},
			{name: "clock-", about: "clock an hour behind", run: clock(-skew)},
			{name: "devices", about: "second device, list of logins", run: devices},
		}}},
		{lanes: [][]step{
			{
				{name: "cut", about: "message of a 10 s cut, after it", run: cut(10 * time.Second), bound: 2 * time.Minute},
				{name: "hole", about: "message of a 20 s black hole, after it", run: hole(20 * time.Second), bound: 3 * time.Minute, full: true},
				{name: "longcut", about: "message of a 90 s cut, after it", run: cut(90 * time.Second), bound: 5 * time.Minute, full: true},
			},
			{
				{name: "idle", about: "idle over salt changes, then a message", run: idle, bound: 10 * time.Minute},
			},
		}},
		restart("term", "session restarts (SIGTERM), then a message", func(ctx context.Context, r *run) error { return r.cluster.RestartSession(ctx) }, false),
		restart("kill", "session is killed (SIGKILL), then a message", func(ctx context.Context, r *run) error { return r.cluster.KillSession(ctx) }, true),
		restart("auth", "authsession restarts, then a message", func(ctx context.Context, r *run) error { return r.cluster.RestartAuthSession(ctx) }, false),
		{busy: true, lanes: [][]step{{
			{name: "ended", about: "login ended elsewhere is felt", run: ended, bound: 2 * time.Minute},
			{name: "again", about: "that device logs in again", run: again},
			{name: "logout", about: "logOut, then login again", run: logOut},
			{name: "once", about: "nothing came twice", run: once},
		}}},
	}
}

// connect starts the main process: the first key exchange.
func connect(ctx context.Context, w *walk, _ *Cell) (err error) {
	if w.proxy, err = tcpproxy.New(w.run.cluster.Addr()); err != nil {
		return err
	}
	w.main, w.can, err = w.process(ctx, "main", w.proxy.Addr(), 0)
	w.connected = err == nil
	return err
}

// signUp logs Alice in, who is new, and brings Bob in.
func signUp(ctx context.Context, w *walk, c *Cell) error {
	if !w.connected {
		return errPast
	}
	begin := time.Now()
	user, err := login(ctx, w.main, w.alice)
	if err != nil {
		return err
	}
	c.Took = time.Since(begin)
	if err := w.invite(ctx); err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	if w.toAlice, err = w.peer.Find(ctx, w.alice.Name); err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	w.user = user
	return nil
}

func me(ctx context.Context, w *walk, _ *Cell) error { return is(ctx, w.main, w.user) }

// secondFactor logs in to an account that has a password, in a process of its
// own. The account is made by a device of the runner: signing up asks for no
// password.
func secondFactor(ctx context.Context, w *walk, c *Cell) error {
	d, err := w.connect(ctx, "Grace's phone")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.LogIn(ctx, w.guarded, "12345", password); err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	p, _, err := w.process(ctx, "guarded", w.run.cluster.Addr(), 0)
	if p != nil {
		defer p.Kill()
	}
	if err != nil {
		return err
	}
	begin := time.Now()
	user, err := login(ctx, p, w.guarded)
	if err != nil {
		return err
	}
	c.Took = time.Since(begin)
	if user != d.Self.ID {
		return fmt.Errorf("login: answered user %d, not %d", user, d.Self.ID)
	}
	if err := is(ctx, p, user); err != nil {
		return err
	}
	return p.Close(stopGrace)
}

// talk has both send and receive; it is about how long the message to the
// client takes.
func talk(ctx context.Context, w *walk, c *Cell) error {
	if err := w.knows(ctx); err != nil {
		return err
	}
	begin := time.Now()
	text := w.text("hello, Bob")
	if err := w.says(ctx, text); err != nil {
		return err
	}
	said := time.Since(begin)
	begin = time.Now()
	answer := w.text("hello, Alice")
	if err := w.fromBob(ctx, answer); err != nil {
		return err
	}
	if err := w.awaits(ctx, w.main, answer, patience); err != nil {
		return err
	}
	c.Took, c.Note = time.Since(begin), ""
	if said > time.Second {
		c.Note = fmt.Sprintf("its own message took %d ms", said.Milliseconds())
	}
	return w.remembers(ctx, answer, text)
}

// knows expects Bob among the contacts.
func (w *walk) knows(ctx context.Context) error {
	var list struct {
		Users []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"users"`
	}
	if err := w.main.Do(ctx, "contacts", nil, &list); err != nil {
		return err
	}
	for _, u := range list.Users {
		if u.ID == w.peer.Self.ID {
			if u.Name != w.bob.Name {
				return fmt.Errorf("contacts: user %d is called %q, not %q", u.ID, u.Name, w.bob.Name)
			}
			return nil
		}
	}
	return fmt.Errorf("contacts: %s is not among %d", w.bob.Name, len(list.Users))
}

// remembers expects texts to be the newest of the dialog, newest first.
func (w *walk) remembers(ctx context.Context, want ...string) error {
	got, err := w.history(ctx, len(want))
	if err == nil && strings.Join(got, "\n") != strings.Join(want, "\n") {
		err = fmt.Errorf("history: answered %.200q, not %.200q", got, want)
	}
	return err
}

func (w *walk) history(ctx context.Context, limit int) ([]string, error) {
	var a struct {
		Texts []string `json:"texts"`
	}
	err := w.main.Do(ctx, "history", map[string]any{"with": w.peer.Self.ID, "limit": limit}, &a)
	return a.Texts, err
}

func dialogs(ctx context.Context, w *walk, _ *Cell) error {
	var a struct {
		Count int `json:"count"`
	}
	err := w.main.Do(ctx, "dialogs", nil, &a)
	if err == nil && a.Count == 0 {
		err = errors.New("dialogs: there is none, and they have talked")
	}
	return err
}

type callsAnswer struct {
	OK     int    `json:"ok"`
	Failed int    `json:"failed"`
	Error  string `json:"error"`
	MaxMS  int64  `json:"max_ms"`
}

// makeCalls makes n calls at once, all of which have to be answered.
func makeCalls(ctx context.Context, p *program.Process, n int, method string) (slowest time.Duration, err error) {
	var a callsAnswer
	if err := p.Do(ctx, "calls", map[string]any{"n": n, "method": method}, &a); err != nil {
		return 0, err
	}
	if a.OK != n {
		return 0, fmt.Errorf("calls: %d of %d were answered, %d failed: %s", a.OK, n, a.Failed, a.Error)
	}
	return time.Duration(a.MaxMS) * time.Millisecond, nil
}

func manyCalls(ctx context.Context, w *walk, c *Cell) (err error) {
	c.Took, err = makeCalls(ctx, w.main, 100, "users.getUsers")
	return err
}

// packed sends texts that clients pack: one that shrinks a little, one that
// shrinks to almost nothing, one of many bytes a character.
func packed(ctx context.Context, w *walk, _ *Cell) error {
	for _, text := range []string{
		w.text("packed") + strings.Repeat(" to be or not to be", 16),
		w.text("packed") + strings.Repeat("a", 4000),
		w.text("packed") + strings.Repeat("好", 4000),
	} {
		if err := w.says(ctx, text); err != nil {
			return fmt.Errorf("%d characters: %w", len([]rune(text)), err)
		}
	}
	return nil
}

const (
	fileBytes = 8 << 20
	// quickEvery is the pace of quick calls beside a file.
	quickEvery = 200 * time.Millisecond
)

// files sends a file and fetches it; it is about both together. The note tells
// the slowest of the quick calls that were made meanwhile.
func files(ctx context.Context, w *walk, c *Cell) error {
	seed := int64(w.number)
	quick := make(chan error, 1)
	var slowest time.Duration
	beside, stop := context.WithCancel(ctx)
	go func() {
		var err error
		for err == nil && beside.Err() == nil {
			var took time.Duration
			if took, err = makeCalls(ctx, w.main, 1, "users.getUsers"); took > slowest {
				slowest = took
			}
			_ = pause.For(beside, quickEvery)
		}
		quick <- err
	}()
	up, down, err := w.carry(ctx, seed)
	stop()
	if quickErr := <-quick; err == nil && quickErr != nil {
		err = fmt.Errorf("beside the file: %w", quickErr)
	}
	c.Took = up + down
	c.Note = fmt.Sprintf("up %d ms, down %d ms, slowest quick call %d ms", up.Milliseconds(), down.Milliseconds(), slowest.Milliseconds())
	return err
}

// carry uploads the file of a seed and downloads it.
func (w *walk) carry(ctx context.Context, seed int64) (up, down time.Duration, err error) {
	var file struct {
		File   string `json:"file"`
		SHA256 string `json:"sha256"`
	}
	begin := time.Now()
	if err := w.main.Do(ctx, "upload", map[string]any{"bytes": fileBytes, "seed": seed}, &file); err != nil {
		return 0, 0, err
	}
	up = time.Since(begin)
	var got struct {
		SHA256 string `json:"sha256"`
	}
	begin = time.Now()
	if err := w.main.Do(ctx, "download", map[string]any{"file": file.File}, &got); err != nil {
		return 0, 0, err
	}
	down = time.Since(begin)
	if got.SHA256 != file.SHA256 || got.SHA256 == "" {
		return 0, 0, fmt.Errorf("download: the SHA-256 of what came is %q, of what was sent %q", got.SHA256, file.SHA256)
	}
	return up, down, nil
}

// stored ends the main process and starts it with what it has kept.
func stored(ctx context.Context, w *walk, c *Cell) (err error) {
	if err := w.main.Close(stopGrace); err != nil {
		return fmt.Errorf("the first process: %w", err)
	}
	begin := time.Now()
	if w.main, _, err = w.process(ctx, "main", w.proxy.Addr(), 0); err != nil {
		return err
	}
	if err := is(ctx, w.main, w.user); err != nil {
		return err
	}
	c.Took = time.Since(begin)
	_, err = w.hears(ctx, w.main, "after the start", patience)
	return err
}

// clock logs a process in whose clock is ahead, and has it receive a message.
func clock(ahead time.Duration) func(context.Context, *walk, *Cell) error {
	return func(ctx context.Context, w *walk, _ *Cell) error {
		if w.can.lack(cannotClock) {
			return none("the library does not follow the server's clock")
		}
		name := fmt.Sprintf("clock%+d", int(ahead.Minutes()))
		p, _, err := w.process(ctx, name, w.run.cluster.Addr(), ahead)
		if p != nil {
			defer p.Kill()
		}
		if err != nil {
			return err
		}
		user, err := login(ctx, p, w.alice)
		if err != nil {
			return err
		}
		if user != w.user {
			return fmt.Errorf("login: answered user %d, not %d", user, w.user)
		}
		if _, err := w.hears(ctx, p, "what time is it", patience); err != nil {
			return err
		}
		if err := p.Do(ctx, "logout", nil, nil); err != nil {
			return err
		}
		return p.Close(stopGrace)
	}
}
