package desktop

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/internal/tcpproxy"
	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/cluster"
	"github.com/tgsession/tgsession/app/lab/device"
	"github.com/tgsession/tgsession/app/lab/pause"
)

// Where things are in Desktop's window, on a screen of our size.
var (
	startMessaging = image.Pt(450, 468)
	byPhoneNumber  = image.Pt(450, 523)
	firstDialog    = image.Pt(150, 115)
)

const (
	// cutFor is how long Desktop is without network.
	cutFor = 8 * time.Second
	// calm is for how long it is watched after its login was ended, and
	// calmConnections how many connections it may open meanwhile.
	calm            = 5 * time.Second
	calmConnections = 10
	// different is the share of pixels in which two views differ at least.
	different = 0.05
)

// What is said.
const (
	greeting = "Hello, Alice! Do you see this?"
	hello    = "Hello, Bob! I do, in Telegram Desktop."
	answer   = "Your login is a session of tgsession."
	inTheCut = "This came while your network was down."
)

var (
	alice = device.Person{Name: "Alice", Phone: "+15550000001"}
	bob   = device.Person{Name: "Bob", Phone: "+15550000002"}
)

// typedPhone is Alice's number without the country code that Desktop puts in.
const typedPhone = "5550000001"

type scenario struct {
	cfg     Config
	cluster *cluster.Cluster
	proxy   *tcpproxy.Proxy // between Desktop and the gateway
	screen  *screen
	app     *app
	intro   *image.RGBA // what Desktop shows to somebody who is not logged in

	phone, bob     *device.Device // Alice's phone, and Bob's
	toBob, toAlice *tg.InputPeerUser
	hash           int64 // of Desktop's login
}

type step struct {
	name  string
	run   func(context.Context) error
	bound time.Duration
}

func (s *scenario) steps() []step {
	const quick, slow = 30 * time.Second, time.Minute
	return []step{
		{"Alice's and Bob's phones log in, Bob says hello", s.phones, quick},
		{"Telegram Desktop starts in a network namespace", s.start, slow},
		{"… and asks for a QR code", s.qrCode, quick},
		{"Alice logs in by phone number and code", s.logIn, slow},
		{"Alice sends Bob a message", s.send, quick},
		{"Bob answers, Desktop has it", s.receive, quick},
		{"a message of a cut of 8 s comes after it", s.cut, slow},
		{"Alice's phone ends the login, Desktop logs out", s.end, quick},
		{"… and leaves the server in peace", s.peace, slow},
	}
}

// phones brings the people in. The greeting makes a dialog that Desktop shows.
func (s *scenario) phones(ctx context.Context) (err error) {
	if s.phone, err = s.login(ctx, "Alice's phone", alice); err != nil {
		return err
	}
	if s.bob, err = s.login(ctx, "Bob's phone", bob); err != nil {
		return err
	}
	if s.toBob, err = s.phone.Find(ctx, bob.Name); err != nil {
		return err
	}
	if s.toAlice, err = s.bob.Find(ctx, alice.Name); err != nil {
		return err
	}
	return s.bob.Send(ctx, s.toAlice, greeting)
}

func (s *scenario) login(ctx context.Context, model string, who device.Person) (*device.Device, error) {
	d, err := device.Connect(context.WithoutCancel(ctx), device.Config{
		Addr: s.cluster.Addr(), Key: s.cluster.PublicKey(), DC: s.cluster.DC(), Model: model, Online: s.cluster.Online,
	})
	if err != nil {
		return nil, err
	}
	if err := d.LogIn(ctx, who, bff.DefaultCode, ""); err != nil {
		return d, err
	}
	return d, d.Subscribe(ctx)
}

func (s *scenario) start(ctx context.Context) (err error) {
	if s.proxy, err = tcpproxy.New(s.cluster.Addr()); err != nil {
		return err
	}
	// Both live until close, not just for this step.
	if s.screen, err = openScreen(context.WithoutCancel(ctx), s.cfg.Dir); err != nil {
		return err
	}
	s.app, err = startApp(context.WithoutCancel(ctx), appConfig{
		self: s.cfg.Self, dir: s.cfg.Dir, display: s.screen.display, key: s.cfg.publicKey,
		dc: s.cluster.DC(), lab: s.proxy.Addr(), gateway: s.cluster.Addr(),
	})
	if err != nil {
		return err
	}
	s.intro, err = s.screen.still(ctx)
	return err
}

func (s *scenario) qrCode(ctx context.Context) error {
	if err := s.screen.click(ctx, startMessaging); err != nil {
		return err
	}
	return s.seen(ctx, "auth_loginToken")
}

func (s *scenario) logIn(ctx context.Context) error {
	before, err := s.logins(ctx)
	if err != nil {
		return err
	}
	if err := s.screen.click(ctx, byPhoneNumber); err != nil {
		return err
	}
	if _, err := s.screen.still(ctx); err != nil {
		return err
	}
	if err := s.screen.enter(ctx, typedPhone); err != nil {
		return err
	}
	if err := s.seen(ctx, "auth_sentCode"); err != nil {
		return err
	}
	if err := s.screen.enter(ctx, bff.DefaultCode); err != nil {
		return err
	}
	for {
		now, err := s.logins(ctx)
		if err != nil {
			return err
		}
		for hash, model := range now {
			if _, old := before[hash]; !old {
				s.hash = hash
				_, err := s.screen.still(ctx)
				return errors.Join(err, s.note(fmt.Sprintf("the list of logins shows %q", model)))
			}
		}
		if err := pause.For(ctx, logEvery); err != nil {
			return fmt.Errorf("the login of Desktop is not in the list: %w", err)
		}
	}
}

// logins are the hashes of Alice's logins with their models.
func (s *scenario) logins(ctx context.Context) (map[int64]string, error) {
	list, err := s.phone.API.AccountGetAuthorizations(ctx)
	if err != nil {
		return nil, err
	}
	out := map[int64]string{}
	for _, a := range list.Authorizations {
		out[a.Hash] = a.DeviceModel
	}
	return out, nil
}

func (s *scenario) send(ctx context.Context) error {
	if err := s.screen.click(ctx, firstDialog); err != nil {
		return err
	}
	if _, err := s.screen.still(ctx); err != nil {
		return err
	}
	if err := s.screen.enter(ctx, hello); err != nil {
		return err
	}
	return s.bob.AwaitText(ctx, hello)
}

func (s *scenario) receive(ctx context.Context) error {
	if err := s.bob.Send(ctx, s.toAlice, answer); err != nil {
		return err
	}
	if err := s.seen(ctx, answer); err != nil {
		return err
	}
	if s.cfg.Screenshot == "" {
		return nil
	}
	return s.screen.save(s.cfg.Screenshot)
}

func (s *scenario) cut(ctx context.Context) error {
	s.proxy.Cut()
	if err := pause.For(ctx, cutFor/2); err != nil {
		return err
	}
	if err := s.bob.Send(ctx, s.toAlice, inTheCut); err != nil {
		return err
	}
	if err := pause.For(ctx, cutFor/2); err != nil {
		return err
	}
	s.proxy.Restore()
	return s.seen(ctx, inTheCut)
}

// end ends Desktop's login and waits until it shows what it shows to somebody
// who is not logged in.
func (s *scenario) end(ctx context.Context) error {
	if _, err := s.phone.API.AccountResetAuthorization(ctx, s.hash); err != nil {
		return err
	}
	for {
		shown, err := s.screen.still(ctx)
		if err != nil {
			return err
		}
		if difference(s.intro, shown) < different {
			return nil
		}
		if err := pause.For(ctx, logEvery); err != nil {
			return fmt.Errorf("the app does not log out: %w", err)
		}
	}
}

// peace expects Desktop not to connect again and again.
func (s *scenario) peace(ctx context.Context) error {
	before := s.proxy.Accepted()
	if err := pause.For(ctx, calm); err != nil {
		return err
	}
	if n := s.proxy.Accepted() - before; n > calmConnections {
		return fmt.Errorf("the app opened %d connections in %s", n, calm)
	}
	return nil
}

// seen waits until Desktop has logged a text and come to rest.
func (s *scenario) seen(ctx context.Context, text string) error {
	if err := s.app.logged(ctx, text); err != nil {
		return err
	}
	_, err := s.screen.still(ctx)
	return err
}

func (s *scenario) note(text string) error {
	_, err := fmt.Fprintf(s.cfg.Notes, "     %s\n", text)
	return err
}

func (s *scenario) close() {
	if s.app != nil {
		s.app.close()
	}
	if s.screen != nil {
		s.screen.close()
	}
	if s.proxy != nil {
		s.proxy.Close()
	}
	for _, d := range []*device.Device{s.phone, s.bob} {
		if d != nil {
			d.Close()
		}
	}
}
