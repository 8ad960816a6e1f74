package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/device"
)

const (
	// felt is within what a login that was ended elsewhere is no login any
	// more.
	felt = time.Second
	// quiet is how long the device is then watched for pushes.
	quiet = time.Second
)

// What is said.
const (
	hello    = "Hello, Bob!"
	answer   = "Hello, Alice!"
	still    = "Still there?"
	farewell = "Whom does this reach?"
)

// scenario is the devices and what the steps have learned.
type scenario struct {
	Target
	phone, tablet, bob *device.Device
	toBob, toAlice     *tg.InputPeerUser
	codeHash           string
	tabletHash         int64
}

func (s *scenario) close() {
	for _, d := range []*device.Device{s.phone, s.tablet, s.bob} {
		if d != nil {
			d.Close()
		}
	}
}

var (
	alice = device.Person{Name: "Alice", Phone: "+15550000001"}
	bob   = device.Person{Name: "Bob", Phone: "+15550000002"}
)

func (s *scenario) steps() []step {
	restarted := s.afterRestart
	if s.RestartAuthSession == nil && s.RestartSession == nil {
		restarted = nil
	}
	return []step{
		{"Alice's phone exchanges a permanent key", s.firstConnection},
		{"… and a temporary one", func(ctx context.Context) error { return s.phone.AwaitMark(ctx, device.TempMade) }},
		{"… and binds the one to the other", func(ctx context.Context) error { return s.phone.AwaitMark(ctx, device.TempBound) }},
		{"help.getConfig", s.getConfig},
		{"auth.sendCode", s.sendCode},
		{"auth.signIn: Alice is logged in", func(ctx context.Context) error { return s.phone.SignIn(ctx, alice, s.codeHash, s.Code) }},
		{"updates.getState", func(ctx context.Context) error { return s.phone.Subscribe(ctx) }},
		{"Alice's tablet logs in", func(ctx context.Context) (err error) { s.tablet, err = s.login(ctx, "tablet", alice); return err }},
		{"Bob's phone logs in", func(ctx context.Context) (err error) { s.bob, err = s.login(ctx, "bob", bob); return err }},
		{"contacts.getContacts: they find each other", s.findEachOther},
		{"Alice sends Bob a message", func(ctx context.Context) error { return s.phone.Send(ctx, s.toBob, hello) }},
		{"Bob's phone receives the push", func(ctx context.Context) error { return s.bob.AwaitText(ctx, hello) }},
		{"Bob answers", func(ctx context.Context) error { return s.bob.Send(ctx, s.toAlice, answer) }},
		{"Alice's phone receives the answer", func(ctx context.Context) error { return s.phone.AwaitText(ctx, answer) }},
		{"Alice's tablet sees both", s.tabletSeesBoth},
		{"authsession restarts", s.RestartAuthSession},
		{"session restarts", s.RestartSession},
		{"all three go on without logging in", restarted},
		{"a message and its push after the restarts", s.talkOn},
		{"account.getAuthorizations lists both devices", s.listDevices},
		{"account.resetAuthorization ends the tablet's login", s.resetTablet},
		{"the tablet's calls fail with 401", func(ctx context.Context) error { return s.tablet.LoggedOut(ctx, felt) }},
		{"the tablet receives nothing more", s.tabletIsDeaf},
		{"auth.logOut", func(ctx context.Context) error { _, err := s.phone.API.AuthLogOut(ctx); return err }},
		{"the phone's next call fails with 401", func(ctx context.Context) error { return s.phone.LoggedOut(ctx, 0) }},
		{"Bob is still logged in", func(ctx context.Context) error { return s.bob.Subscribe(ctx) }},
	}
}

func (s *scenario) firstConnection(ctx context.Context) (err error) {
	// The devices live longer than the step.
	if s.phone, err = s.connect(context.WithoutCancel(ctx), "phone"); err != nil {
		return err
	}
	return s.phone.AwaitMark(ctx, device.PermMade)
}

// connect starts a device. Its model is a name of this run alone: a database
// may know older logins.
func (s *scenario) connect(ctx context.Context, name string) (*device.Device, error) {
	return device.Connect(ctx, device.Config{
		Addr: s.Addr, Key: s.Key, DC: s.DC, Model: name + " " + rand.Text()[:6],
		Protocol: s.Protocol, Online: s.Online, Log: s.ClientLog,
	})
}

func (s *scenario) getConfig(ctx context.Context) error {
	if err := s.phone.AwaitReady(ctx); err != nil {
		return err
	}
	cfg, err := s.phone.API.HelpGetConfig(ctx)
	if err == nil && cfg.ThisDC != s.DC {
		err = fmt.Errorf("this_dc is %d", cfg.ThisDC)
	}
	return err
}

func (s *scenario) sendCode(ctx context.Context) (err error) {
	s.codeHash, err = s.phone.SendCode(ctx, alice)
	return err
}

// login brings another device from nothing to receiving updates.
func (s *scenario) login(ctx context.Context, model string, p device.Person) (*device.Device, error) {
	d, err := s.connect(context.WithoutCancel(ctx), model)
	if err != nil {
		return nil, err
	}
	if err := d.AwaitReady(ctx); err != nil {
		return d, err
	}
	if !d.Marked(device.TempBound) {
		return d, errors.New("no temporary key was bound")
	}
	hash, err := d.SendCode(ctx, p)
	if err != nil {
		return d, err
	}
	if err := d.SignIn(ctx, p, hash, s.Code); err != nil {
		return d, err
	}
	return d, d.Subscribe(ctx)
}

func (s *scenario) findEachOther(ctx context.Context) (err error) {
	if s.tablet.Self.ID != s.phone.Self.ID || s.bob.Self.ID == s.phone.Self.ID {
		return errors.New("phone and tablet should be one user, Bob another one")
	}
	if s.toBob, err = s.phone.Find(ctx, bob.Name); err != nil {
		return err
	}
	s.toAlice, err = s.bob.Find(ctx, alice.Name)
	return err
}

func (s *scenario) tabletSeesBoth(ctx context.Context) error {
	for _, text := range []string{hello, answer} {
		if err := s.tablet.AwaitText(ctx, text); err != nil {
			return err
		}
	}
	peer, err := s.tablet.Find(ctx, bob.Name)
	if err != nil {
		return err
	}
	texts, err := s.tablet.History(ctx, peer, 10)
	if want := []string{answer, hello}; err == nil && !slices.Equal(texts, want) {
		err = fmt.Errorf("messages.getHistory answered %q, not %q", texts, want)
	}
	return err
}

func (s *scenario) afterRestart(ctx context.Context) error {
	for _, d := range []*device.Device{s.phone, s.tablet, s.bob} {
		if err := d.Subscribe(ctx); err != nil {
			return fmt.Errorf("%s: %w", d.Model(), err)
		}
		if d.Logins != 1 {
			return fmt.Errorf("%s logged in %d times", d.Model(), d.Logins)
		}
	}
	return nil
}

func (s *scenario) talkOn(ctx context.Context) error {
	if err := s.bob.Send(ctx, s.toAlice, still); err != nil {
		return err
	}
	for _, d := range []*device.Device{s.phone, s.tablet} {
		if err := d.AwaitText(ctx, still); err != nil {
			return err
		}
	}
	return nil
}

func (s *scenario) listDevices(ctx context.Context) error {
	list, err := s.phone.API.AccountGetAuthorizations(ctx)
	if err != nil {
		return err
	}
	// A database may know older logins of hers.
	for _, a := range list.Authorizations {
		if a.Current != (a.DeviceModel == s.phone.Model()) {
			return fmt.Errorf("current is %v for %s", a.Current, a.DeviceModel)
		}
		if a.DeviceModel == s.tablet.Model() {
			s.tabletHash = a.Hash
		}
	}
	if s.tabletHash == 0 || len(list.Authorizations) < 2 {
		return fmt.Errorf("%s is not among %d devices", s.tablet.Model(), len(list.Authorizations))
	}
	return nil
}

func (s *scenario) resetTablet(ctx context.Context) error {
	ok, err := s.phone.API.AccountResetAuthorization(ctx, s.tabletHash)
	if err == nil && !ok {
		err = errors.New("answered false")
	}
	return err
}

func (s *scenario) tabletIsDeaf(ctx context.Context) error {
	if err := s.bob.Send(ctx, s.toAlice, farewell); err != nil {
		return err
	}
	if err := s.phone.AwaitText(ctx, farewell); err != nil {
		return err
	}
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.tablet.Received(farewell) > 0 {
		return errors.New("it received a message after its login had ended")
	}
	return nil
}
