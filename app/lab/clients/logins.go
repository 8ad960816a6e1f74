package clients

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/lab/clients/program"
)

// noticed is how long an idle device may take to notice that its login has
// ended.
const noticed = 20 * time.Second

type loginEntry struct {
	Hash    string `json:"hash"`
	Current bool   `json:"current"`
	Device  string `json:"device"`
}

// logins is the list of logins as main sees it.
func (w *walk) logins(ctx context.Context) ([]loginEntry, error) {
	var a struct {
		Sessions []loginEntry `json:"sessions"`
	}
	err := w.main.Do(ctx, "sessions", nil, &a)
	return a.Sessions, err
}

// devices logs the second process in; main's list then has both. The step is
// about the list.
func devices(ctx context.Context, w *walk, c *Cell) (err error) {
	if w.second, _, err = w.process(ctx, "second", w.run.cluster.Addr(), 0); err != nil {
		return fmt.Errorf("the second device: %w", err)
	}
	if w.secondUser, err = login(ctx, w.second, w.alice); err != nil {
		return fmt.Errorf("the second device: %w", err)
	}
	begin := time.Now()
	list, err := w.logins(ctx)
	if err != nil {
		return err
	}
	c.Took = time.Since(begin)
	current, other := 0, 0
	for _, l := range list {
		switch {
		case l.Current:
			current++
			if l.Device != w.model("main") {
				return fmt.Errorf("sessions: the current one is %q, not %q", l.Device, w.model("main"))
			}
		case l.Device == w.model("second"):
			other++
		}
	}
	if current != 1 || other != 1 {
		return fmt.Errorf("sessions: %d current and %d of the second device among %d", current, other, len(list))
	}
	_, err = w.hears(ctx, w.second, "to both", patience)
	return err
}

// ended ends the second device's login from main. The second device has to
// notice while it is idle, or by its next call where its library has no way.
func ended(ctx context.Context, w *walk, c *Cell) error {
	if w.secondUser == 0 {
		return errPast
	}
	list, err := w.logins(ctx)
	if err != nil {
		return err
	}
	hash := ""
	for _, l := range list {
		if l.Device == w.model("second") && !l.Current {
			hash = l.Hash
		}
	}
	if hash == "" {
		return fmt.Errorf("sessions: no %q among %d", w.model("second"), len(list))
	}
	// It has lived through restarts, and may not have spoken since: nobody could
	// reach it before it does.
	if err := is(ctx, w.second, w.secondUser); err != nil {
		return fmt.Errorf("the second device: %w", err)
	}
	before := w.second.Count("logged_out")
	if err := w.main.Do(ctx, "end", map[string]any{"hash": hash}, nil); err != nil {
		return err
	}
	begin := time.Now()
	var felt error
	if !w.can.lack(cannotNotice) {
		idle, cancel := context.WithTimeout(ctx, noticed)
		felt = w.second.AwaitEvent(idle, "logged_out", before)
		cancel()
		c.Took = time.Since(begin)
	}
	call, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = who(call, w.second)
	if err == nil {
		return errors.New("it may still call")
	}
	var rpc *program.CallError
	if felt != nil && errors.As(err, &rpc) && rpc.Code == 401 {
		return fmt.Errorf("not noticed within %s while idle; its next call was answered %w", noticed, rpc)
	}
	if felt != nil {
		return fmt.Errorf("not noticed within %s while idle, and its next call: %w", noticed, err)
	}
	if w.can.lack(cannotNotice) {
		if rpc == nil && !errors.As(err, &rpc) || rpc.Code != 401 {
			return fmt.Errorf("its next call: %w", err)
		}
		c.Took, c.Note = time.Since(begin), "noticed by its next call"
	}
	return nil
}

// again logs the second device in after its login was ended: the same process,
// the same key where the library keeps it. A message that comes at once has to
// reach it.
func again(ctx context.Context, w *walk, c *Cell) error {
	if w.secondUser == 0 {
		return errPast
	}
	user, err := login(ctx, w.second, w.alice)
	if err != nil {
		return err
	}
	c.Took = 0
	if user != w.user {
		return fmt.Errorf("login: answered user %d, not %d", user, w.user)
	}
	_, err = w.hears(ctx, w.second, "welcome back", patience)
	return err
}

// logOut logs main out and in again.
func logOut(ctx context.Context, w *walk, _ *Cell) error {
	if err := w.main.Do(ctx, "logout", nil, nil); err != nil {
		return err
	}
	user, err := login(ctx, w.main, w.alice)
	if err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if user != w.user {
		return fmt.Errorf("login: answered user %d, not %d", user, w.user)
	}
	if _, err := w.hears(ctx, w.main, "here again", patience); err != nil {
		return err
	}
	return w.says(ctx, w.text("here again"))
}

// once looks back: no message came twice to Alice, and none that she sent is
// in Bob's dialog twice.
func once(ctx context.Context, w *walk, _ *Cell) error {
	var twice []string
	for name, p := range map[string]*program.Process{"main": w.main, "second": w.second} {
		if p == nil {
			continue
		}
		for _, text := range p.Repeated() {
			twice = append(twice, fmt.Sprintf("%s received %.40q %d times", name, text, p.Received(text)))
		}
	}
	texts, err := w.peer.History(ctx, w.toAlice, 100)
	if err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	times := map[string]int{}
	for _, t := range texts {
		times[t]++
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.sent {
		if n := times[text]; n != 1 {
			twice = append(twice, fmt.Sprintf("Bob has %.40q %d times", text, n))
		}
	}
	if len(twice) > 0 {
		return errors.New(strings.Join(twice, "; "))
	}
	return nil
}
