package demo

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

const (
	appID   = 1
	appHash = "demo"

	retry = 20 * time.Millisecond
)

// person is who logs in.
type person struct{ name, phone string }

// sendCode asks for a login code and returns its hash.
func (d *device) sendCode(ctx context.Context, p person) (string, error) {
	sent, err := d.api.AuthSendCode(ctx, &tg.AuthSendCodeRequest{PhoneNumber: p.phone, APIID: appID, APIHash: appHash})
	if err != nil {
		return "", err
	}
	code, ok := sent.(*tg.AuthSentCode)
	if !ok {
		return "", fmt.Errorf("auth.sendCode answered %T", sent)
	}
	return code.PhoneCodeHash, nil
}

// signIn logs in, and signs up who is new.
func (d *device) signIn(ctx context.Context, p person, hash, code string) error {
	d.logins++
	auth, err := d.api.AuthSignIn(ctx, &tg.AuthSignInRequest{PhoneNumber: p.phone, PhoneCodeHash: hash, PhoneCode: code})
	if _, isNew := auth.(*tg.AuthAuthorizationSignUpRequired); err == nil && isNew {
		auth, err = d.api.AuthSignUp(ctx, &tg.AuthSignUpRequest{PhoneNumber: p.phone, PhoneCodeHash: hash, FirstName: p.name})
	}
	if err != nil {
		return err
	}
	in, ok := auth.(*tg.AuthAuthorization)
	if !ok {
		return fmt.Errorf("auth.signIn answered %T", auth)
	}
	if d.self, ok = in.User.(*tg.User); !ok || !d.self.Self {
		return errors.New("auth.signIn did not say who has logged in")
	}
	return nil
}

// subscribe makes the device one that updates are pushed to.
func (d *device) subscribe(ctx context.Context) error {
	state, err := d.api.UpdatesGetState(ctx)
	if err != nil {
		return err
	}
	if state.Date == 0 {
		return errors.New("updates.getState answered an empty state")
	}
	return d.awaitOnline(ctx)
}

// awaitOnline returns when the status service knows the device.
func (d *device) awaitOnline(ctx context.Context) error {
	if d.online == nil {
		return nil
	}
	data, err := d.storage.Load(ctx)
	if err != nil {
		return err
	}
	key := int64(binary.LittleEndian.Uint64(data.AuthKeyID))
	for {
		keys, err := d.online(ctx, d.self.ID)
		if err != nil || slices.Contains(keys, key) {
			return err
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return fmt.Errorf("%s: status does not know it is online: %w", d.model, ctx.Err())
		}
	}
}

// find returns the peer of a contact.
func (d *device) find(ctx context.Context, name string) (*tg.InputPeerUser, error) {
	all, err := d.api.ContactsGetContacts(ctx, 0)
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
	return nil, fmt.Errorf("%s is no contact of %s", name, d.self.FirstName)
}

// send sends a message.
func (d *device) send(ctx context.Context, to tg.InputPeerClass, text string) error {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	_, err := d.api.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{
		Peer: to, Message: text, RandomID: int64(binary.LittleEndian.Uint64(id[:])),
	})
	return err
}

// history returns the texts of a dialog, newest first.
func (d *device) history(ctx context.Context, with tg.InputPeerClass) ([]string, error) {
	res, err := d.api.MessagesGetHistory(ctx, &tg.MessagesGetHistoryRequest{Peer: with, Limit: 10})
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

// loggedOut expects calls that need a login to end with 401, within patience
// from now: where a login ends is not where its calls go.
func (d *device) loggedOut(ctx context.Context, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		_, err := d.api.UpdatesGetState(ctx)
		switch {
		case tgerr.IsCode(err, 401):
			return nil
		case err != nil:
			return fmt.Errorf("%s: want error 401, got: %w", d.model, err)
		case time.Now().After(deadline):
			return fmt.Errorf("%s may still call after %s", d.model, patience)
		}
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
