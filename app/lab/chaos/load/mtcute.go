package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tgsession/tgsession/app/lab/bff"
	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/clients/program"
	"github.com/tgsession/tgsession/app/lab/device"
)

const (
	// mtcuteProgram and mtcuteRelease are the client program of package clients.
	mtcuteProgram = "mtcute"
	mtcuteRelease = "0.30"
	// stopGrace is how long a program may take to stop.
	stopGrace = 10 * time.Second
)

// mtcuteClient is a person with a client of mtcute, in a process of its own.
type mtcuteClient struct {
	name    string
	record  *Record
	process *program.Process
	users   map[string]int64 // by name; written before anything is sent
}

// prepareMtcute makes the program; without it missing says why it cannot be made
// here.
func prepareMtcute(ctx context.Context, programs, dir string) (m *program.Manifest, missing string) {
	all, err := program.Load(programs)
	if err != nil {
		return nil, err.Error()
	}
	i := slices.IndexFunc(all, func(m *program.Manifest) bool { return m.Name() == mtcuteProgram })
	if i < 0 {
		return nil, fmt.Sprintf("there is no %s in %s", mtcuteProgram, programs)
	}
	if err := all[i].Prepare(ctx, dir, filepath.Join(dir, "logs", "make-mtcute.log")); err != nil {
		return nil, err.Error()
	}
	return all[i], ""
}

// mtcuteStart is what newMtcute needs.
type mtcuteStart struct {
	manifest *program.Manifest
	dir      string
	pem      string
	print    int64 // of the key
}

func newMtcute(ctx context.Context, at Place, record *Record, who device.Person, number int, s mtcuteStart) (*mtcuteClient, error) {
	c := &mtcuteClient{name: who.Name, record: record, users: map[string]int64{}}
	file := strings.ReplaceAll(strings.ToLower(who.Name), " ", "-")
	var err error
	c.process, err = program.Start(program.Spec{
		Manifest: s.manifest, Bin: s.dir, Log: filepath.Join(s.dir, "logs", file+".log"),
		Message: func(_ int64, text string) { record.saw(check.Seen{Text: text, By: c.name, How: check.Library}) },
		Happened: func(event string) {
			switch event {
			case "logged_out":
				record.loggedOut(c.name, errors.New("it was answered 401"))
			case "disconnected":
				record.broken(c.name)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if err := c.logIn(ctx, at, who, number, s, filepath.Join(s.dir, file)); err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", who.Name, err)
	}
	return c, nil
}

func (c *mtcuteClient) logIn(ctx context.Context, at Place, who device.Person, number int, s mtcuteStart, dir string) error {
	host, portText, err := net.SplitHostPort(at.Gateways[number%len(at.Gateways)])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return err
	}
	err = c.process.Do(ctx, "start", map[string]any{
		"dir": dir, "host": host, "port": port, "dc": at.DC, "entry": "",
		"key": s.pem, "fingerprint": strconv.FormatInt(s.print, 10), "pfs": number%2 == 1, "release": mtcuteRelease,
		"api_id": device.AppID, "api_hash": device.AppHash, "device": who.Name,
	}, nil)
	if err != nil {
		return err
	}
	return c.process.Do(ctx, "login", map[string]any{"phone": who.Phone, "code": bff.DefaultCode, "name": who.Name, "password": ""}, nil)
}

func (c *mtcuteClient) Name() string { return c.name }

func (c *mtcuteClient) meet(ctx context.Context, names []string) error {
	var list struct {
		Users []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"users"`
	}
	if err := c.process.Do(ctx, "contacts", nil, &list); err != nil {
		return err
	}
	for _, u := range list.Users {
		c.users[u.Name] = u.ID
	}
	for _, n := range names {
		if n != c.name && c.users[n] == 0 {
			return fmt.Errorf("%s is no contact of %s", n, c.name)
		}
	}
	return nil
}

func (c *mtcuteClient) send(ctx context.Context, to, text string) error {
	err := c.process.Do(ctx, "send", map[string]any{"to": c.users[to], "text": text}, nil)
	if err != nil && strings.Contains(err.Error(), "RANDOM_ID_DUPLICATE") {
		return nil // an earlier call has sent it
	}
	return err
}

func (c *mtcuteClient) close() { _ = c.process.Close(stopGrace) }

var _ client = (*mtcuteClient)(nil)
