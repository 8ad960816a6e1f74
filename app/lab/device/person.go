package device

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// retry is the pace at which other parts are asked whether something has come
// about.
const retry = 20 * time.Millisecond

// Person is who logs in: the name of a new account, and a phone number.
type Person struct{ Name, Phone string }

// SendCode asks for a login code and returns its hash.
func (d *Device) SendCode(ctx context.Context, p Person) (string, error) {
	sent, err := d.API.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: p.Phone, APIID: AppID, APIHash: AppHash})
	if err != nil {
		return "", err
	}
	code, ok := sent.(*tg.AuthSentCode)
	if !ok {
		return "", fmt.Errorf("auth.sendCode answered %T", sent)
	}
	return code.PhoneCodeHash, nil
}

// SignIn logs in, and signs up who is new.
func (d *Device) SignIn(ctx context.Context, p Person, hash, code string) error {
	d.Logins++
	auth, err := d.API.AuthSignIn(ctx, &tg.AuthSignInRequest{PhoneNumber: p.Phone, PhoneCodeHash: hash, PhoneCode: code})
	if _, isNew := auth.(*tg.AuthAuthorizationSignUpRequired); err == nil && isNew {
		auth, err = d.API.AuthSignUp(ctx, &tg.AuthSignUpRequest{PhoneNumber: p.Phone, PhoneCodeHash: hash, FirstName: p.Name})
	}
	if err != nil {
		return err
	}
	in, ok := auth.(*tg.AuthAuthorization)
	if !ok {
		return fmt.Errorf("auth.signIn answered %T", auth)
	}
	if d.Self, ok = in.User.(*tg.User); !ok || !d.Self.Self {
		return errors.New("auth.signIn did not say who has logged in")
	}
	return nil
}

// CheckPassword is the second factor of a login that SignIn has begun.
func (d *Device) CheckPassword(ctx context.Context, password string) error {
	in, err := d.Client.Auth().Password(ctx, password)
	if err != nil {
		return err
	}
	self, ok := in.User.(*tg.User)
	if !ok {
		return fmt.Errorf("auth.checkPassword answered a user of %T", in.User)
	}
	d.Self = self
	return nil
}

// LogIn goes the whole way from a phone number to a login, by the password
// when it is asked for.
func (d *Device) LogIn(ctx context.Context, p Person, code, password string) error {
	hash, err := d.SendCode(ctx, p)
	if err != nil {
		return err
	}
	err = d.SignIn(ctx, p, hash, code)
	if tgerr.Is(err, "SESSION_PASSWORD_NEEDED") {
		err = d.CheckPassword(ctx, password)
	}
	return err
}

// Subscribe makes the device one that updates are pushed to.
func (d *Device) Subscribe(ctx context.Context) error {
	state, err := d.API.UpdatesGetState(ctx)
	if err != nil {
		return err
	}
	if state.Date == 0 {
		return errors.New("updates.getState answered an empty state")
	}
	return d.awaitOnline(ctx)
}

// awaitOnline returns when the status service knows the device.
func (d *Device) awaitOnline(ctx context.Context) error {
	if d.cfg.Online == nil {
		return nil
	}
	data, err := d.storage.Load(ctx)
	if err != nil {
		return err
	}
	key := int64(binary.LittleEndian.Uint64(data.AuthKeyID))
	for {
		keys, err := d.cfg.Online(ctx, d.Self.ID)
		if err != nil || slices.Contains(keys, key) {
			return err
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return fmt.Errorf("%s: status does not know it is online: %w", d.cfg.Model, ctx.Err())
		}
	}
}

// Find returns the peer of a contact.
func (d *Device) Find(ctx context.Context, name string) (*tg.InputPeerUser, error) {
	all, err := d.API.ContactsGetContacts(ctx, 0)
	if err != nil {
		return nil, err
	}
	list, ok := all.(*tg.ContactsContacts)
	if !ok {
		return nil, fmt.Errorf("contacts.getContacts answered %T", all)
	}
	for _, u := range list.Users {
		if u, ok := u.(*tg.User); ok && u.FirstName == name {
			return &tg.InputPeerUser{UserID: u.ID, AccessHash: u.AccessHash}, nil
		}
	}
	return nil, fmt.Errorf("%s is no contact of %s", name, d.Self.FirstName)
}

// Send sends a message.
func (d *Device) Send(ctx context.Context, to tg.InputPeerClass, text string) error {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	_, err := d.API.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{
		Peer: to, Message: text, RandomID: int64(binary.LittleEndian.Uint64(id[:])),
	})
	return err
}

// History returns the newest texts of a dialog, newest first, at most limit.
func (d *Device) History(ctx context.Context, with tg.InputPeerClass, limit int) ([]string, error) {
	res, err := d.API.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: with, Limit: limit})
	if err != nil {
		return nil, err
	}
	box, ok := res.AsModified()
	if !ok {
		return nil, fmt.Errorf("messages.getHistory answered %T", res)
	}
	var texts []string
	for _, m := range box.GetMessages() {
		if m, ok := m.(*tg.Message); ok {
			texts = append(texts, m.Message)
		}
	}
	return texts, nil
}

// LoggedOut expects calls that need a login to end with 401, within patience
// from now: where a login ends is not where its calls go.
func (d *Device) LoggedOut(ctx context.Context, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		_, err := d.API.UpdatesGetState(ctx)
		switch {
		case tgerr.IsCode(err, 401):
			return nil
		case err != nil:
			return fmt.Errorf("%s: want error 401, got: %w", d.cfg.Model, err)
		case time.Now().After(deadline):
			return fmt.Errorf("%s may still call after %s", d.cfg.Model, patience)
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
