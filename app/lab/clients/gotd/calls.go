package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/gotd/td/telegram/downloader"
	"github.com/gotd/td/telegram/uploader"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/app/lab/device"
)

type user struct {
	User int64 `json:"user"`
}

type loginArgs struct{ Phone, Code, Name, Password string }

func (c *client) login(ctx context.Context, a loginArgs) (user, error) {
	d, err := c.device(ctx)
	if err != nil {
		return user{}, err
	}
	if err := d.LogIn(ctx, device.Person{Name: a.Name, Phone: a.Phone}, a.Code, a.Password); err != nil {
		return user{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loggedIn(d.Self)
	return user{d.Self.ID}, nil
}

// api is where calls go that are not about the login.
func (c *client) api() *tg.Client { return tg.NewClient(pooled{c}) }

func (c *client) me(ctx context.Context, _ none) (user, error) {
	d, err := c.device(ctx)
	if err != nil {
		return user{}, err
	}
	self, err := d.Client.Self(ctx)
	if err != nil {
		return user{}, c.noticed(err)
	}
	return user{self.ID}, nil
}

type contact struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type contacts struct {
	Users []contact `json:"users"`
}

func (c *client) contacts(ctx context.Context, _ none) (out contacts, err error) {
	users, err := c.users(ctx)
	for _, u := range users {
		out.Users = append(out.Users, contact{u.ID, u.FirstName})
	}
	return out, err
}

// users fetches the contacts and keeps what calls need to name them.
func (c *client) users(ctx context.Context) (users []*tg.User, err error) {
	d, err := c.device(ctx)
	if err != nil {
		return nil, err
	}
	all, err := d.API.ContactsGetContacts(ctx, 0)
	if err != nil {
		return nil, c.noticed(err)
	}
	list, ok := all.(*tg.ContactsContacts)
	if !ok {
		return nil, fmt.Errorf("contacts.getContacts answered %T", all)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range list.Users {
		if u, ok := u.(*tg.User); ok {
			users = append(users, u)
			c.peers[u.ID] = &tg.InputPeerUser{UserID: u.ID, AccessHash: u.AccessHash}
		}
	}
	return users, nil
}

// peer finds a user by id.
func (c *client) peer(ctx context.Context, id int64) (*tg.InputPeerUser, error) {
	known := func() *tg.InputPeerUser {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.peers[id]
	}
	if p := known(); p != nil {
		return p, nil
	}
	if _, err := c.users(ctx); err != nil {
		return nil, err
	}
	if p := known(); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("user %d is no contact", id)
}

type count struct {
	Count int `json:"count"`
}

func (c *client) dialogs(ctx context.Context, _ none) (count, error) {
	all, err := c.api().MessagesGetDialogs(ctx, &tg.MessagesGetDialogsRequest{OffsetPeer: &tg.InputPeerEmpty{}, Limit: 100})
	if err != nil {
		return count{}, err
	}
	m, ok := all.AsModified()
	if !ok {
		return count{}, fmt.Errorf("messages.getDialogs answered %T", all)
	}
	return count{len(m.GetDialogs())}, nil
}

type sendArgs struct {
	To   int64
	Text string
}

type message struct {
	Message int `json:"message"`
}

func (c *client) send(ctx context.Context, a sendArgs) (message, error) {
	peer, err := c.peer(ctx, a.To)
	if err != nil {
		return message{}, err
	}
	d, err := c.device(ctx)
	if err != nil {
		return message{}, err
	}
	random, err := d.Client.RandInt64()
	if err != nil {
		return message{}, err
	}
	// By the main connection: what it answers is an update, too.
	u, err := d.API.MessagesSendMessage(ctx, &tg.MessagesSendMessageRequest{Peer: peer, Message: a.Text, RandomID: random})
	if err != nil {
		return message{}, c.noticed(err)
	}
	if all, ok := u.(*tg.Updates); ok {
		for _, up := range all.Updates {
			if id, ok := up.(*tg.UpdateMessageID); ok {
				return message{id.ID}, nil
			}
		}
	}
	return message{}, fmt.Errorf("messages.sendMessage answered %T without an id", u)
}

type historyArgs struct {
	With  int64
	Limit int
}

type texts struct {
	Texts []string `json:"texts"`
}

func (c *client) history(ctx context.Context, a historyArgs) (texts, error) {
	peer, err := c.peer(ctx, a.With)
	if err != nil {
		return texts{}, err
	}
	d, err := c.device(ctx)
	if err != nil {
		return texts{}, err
	}
	found, err := d.History(ctx, peer, a.Limit)
	return texts{found}, err
}

type callsArgs struct {
	N      int
	Method string
}

type callsAnswer struct {
	OK     int    `json:"ok"`
	Failed int    `json:"failed"`
	Error  string `json:"error"`
	MaxMS  int64  `json:"max_ms"`
}

// callTimeout is how long a call is waited for. A call that the server has lost
// is not sent again, and its connection stays taken from the pool.
const callTimeout = 30 * time.Second

// calls makes n calls at once.
func (c *client) calls(ctx context.Context, a callsArgs) (out callsAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	api := c.api()
	one := map[string]func() error{
		"help.getConfig":    func() error { _, err := api.HelpGetConfig(ctx); return err },
		"help.getCdnConfig": func() error { _, err := api.HelpGetCDNConfig(ctx); return err },
		"users.getUsers": func() error {
			_, err := api.UsersGetUsers(ctx, []tg.InputUserClass{&tg.InputUserSelf{}})
			return err
		},
	}[a.Method]
	if one == nil {
		return out, fmt.Errorf("unsupported: %s", a.Method)
	}
	var (
		mu   sync.Mutex
		made sync.WaitGroup
	)
	for range a.N {
		made.Go(func() {
			begin := time.Now()
			err := one()
			mu.Lock()
			defer mu.Unlock()
			out.MaxMS = max(out.MaxMS, time.Since(begin).Milliseconds())
			if err == nil {
				out.OK++
				return
			}
			if out.Failed++; out.Failed == 1 {
				out.Error = err.Error()
			}
		})
	}
	made.Wait()
	return out, nil
}

type uploadArgs struct{ Bytes, Seed int64 }

// maxUpload bounds a file, in bytes.
const maxUpload = 1 << 30

type uploaded struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	MS     int64  `json:"ms"`
}

// upload sends a file to oneself.
func (c *client) upload(ctx context.Context, a uploadArgs) (uploaded, error) {
	if a.Bytes < 0 || a.Bytes > maxUpload {
		return uploaded{}, fmt.Errorf("a file of %d bytes", a.Bytes)
	}
	begin := time.Now()
	api := c.api()
	name := fmt.Sprintf("seed-%d", a.Seed)
	content := make([]byte, a.Bytes)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(a.Seed))
	_, _ = rand.NewChaCha8(seed).Read(content) // never fails
	file, err := uploader.NewUploader(api).WithThreads(poolSize).
		Upload(ctx, uploader.NewUpload(name, bytes.NewReader(content), a.Bytes))
	if err != nil {
		return uploaded{}, err
	}
	d, err := c.device(ctx)
	if err != nil {
		return uploaded{}, err
	}
	random, err := d.Client.RandInt64()
	if err != nil {
		return uploaded{}, err
	}
	u, err := d.API.MessagesSendMedia(ctx, &tg.MessagesSendMediaRequest{
		Peer: &tg.InputPeerSelf{}, RandomID: random,
		Media: &tg.InputMediaUploadedDocument{
			File: file, MimeType: "application/octet-stream", ForceFile: true,
			Attributes: []tg.DocumentAttributeClass{&tg.DocumentAttributeFilename{FileName: name}},
		},
	})
	if err != nil {
		return uploaded{}, err
	}
	where, err := document(u)
	if err != nil {
		return uploaded{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, where)
	return uploaded{strconv.Itoa(len(c.files) - 1), fmt.Sprintf("%x", sha256.Sum256(content)), time.Since(begin).Milliseconds()}, nil
}

// document finds the document that an answer brings.
func document(u tg.UpdatesClass) (tg.InputFileLocationClass, error) {
	for _, m := range device.Messages(u) {
		if media, ok := m.Media.(*tg.MessageMediaDocument); ok {
			if doc, ok := media.Document.(*tg.Document); ok {
				return doc.AsInputDocumentFileLocation(), nil
			}
		}
	}
	return nil, errors.New("messages.sendMedia answered no document")
}

type downloadArgs struct{ File string }

type downloaded struct {
	SHA256 string `json:"sha256"`
	MS     int64  `json:"ms"`
}

func (c *client) download(ctx context.Context, a downloadArgs) (downloaded, error) {
	begin := time.Now()
	c.mu.Lock()
	n, err := strconv.Atoi(a.File)
	if err != nil || n < 0 || n >= len(c.files) {
		c.mu.Unlock()
		return downloaded{}, fmt.Errorf("no file %q", a.File)
	}
	where := c.files[n]
	c.mu.Unlock()
	sum := sha256.New()
	if _, err := downloader.NewDownloader().Download(c.api(), where).Stream(ctx, sum); err != nil {
		return downloaded{}, err
	}
	return downloaded{fmt.Sprintf("%x", sum.Sum(nil)), time.Since(begin).Milliseconds()}, nil
}

type login struct {
	Hash    string `json:"hash"`
	Current bool   `json:"current"`
	Device  string `json:"device"`
}

type logins struct {
	Sessions []login `json:"sessions"`
}

func (c *client) sessions(ctx context.Context, _ none) (out logins, err error) {
	list, err := c.api().AccountGetAuthorizations(ctx)
	if err != nil {
		return out, err
	}
	for _, a := range list.Authorizations {
		out.Sessions = append(out.Sessions, login{strconv.FormatInt(a.Hash, 10), a.Current, a.DeviceModel})
	}
	return out, nil
}

type endArgs struct{ Hash string }

func (c *client) end(ctx context.Context, a endArgs) (none, error) {
	id, err := strconv.ParseInt(a.Hash, 10, 64)
	if err != nil {
		return none{}, err
	}
	_, err = c.api().AccountResetAuthorization(ctx, id)
	return none{}, err
}

func (c *client) logout(ctx context.Context, _ none) (none, error) {
	d, err := c.device(ctx)
	if err != nil {
		return none{}, err
	}
	if _, err := d.API.AuthLogOut(ctx); err != nil {
		return none{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loggedOut()
	return none{}, nil
}
