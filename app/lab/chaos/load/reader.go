package load

import (
	"context"
	"time"

	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/updates"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tgsession/tgsession/app/lab/chaos/check"
	"github.com/tgsession/tgsession/app/lab/device"
	"github.com/tgsession/tgsession/app/lab/pause"
)

const (
	// fetchTimeout is how long a difference is waited for before it is asked
	// for again: gotd waits for ever for a call that a node has lost.
	fetchTimeout = 5 * time.Second
	fetchPause   = 500 * time.Millisecond
	// queued bounds the updates that wait for gotd's manager.
	queued = 1 << 14
)

// reader follows a client's updates.
type reader struct {
	record  *Record
	name    string
	manager *updates.Manager
	told    told
	queue   chan tg.UpdatesClass
}

func newReader(record *Record, name string) *reader {
	r := &reader{record: record, name: name, queue: make(chan tg.UpdatesClass, queued), told: told{how: map[string]check.How{}}}
	r.manager = updates.New(updates.Config{Handler: telegram.UpdateHandlerFunc(r.update)})
	return r
}

// raw takes what was pushed, and what calls answered. It does not wait: who
// calls it reads the answers that the manager waits for.
func (r *reader) raw(_ context.Context, u tg.UpdatesClass) error {
	for _, m := range device.Messages(u) {
		r.told.came(m.Message, check.Pushed)
	}
	if _, ok := u.(*tg.UpdatesTooLong); ok {
		r.told.because(check.TooLong)
	}
	r.enqueue(u)
	return nil
}

// newSession has the difference fetched: the server may have forgotten who was
// to be told of what.
func (r *reader) newSession() {
	r.record.befell(r.name, check.Created)
	r.told.because(check.NewSession)
	r.enqueue(&tg.UpdatesTooLong{})
}

func (r *reader) enqueue(u tg.UpdatesClass) {
	select {
	case r.queue <- u:
	default: // the gap will show
	}
}

// feed hands on what was pushed.
func (r *reader) feed(ctx context.Context) {
	for {
		select {
		case u := <-r.queue:
			if r.manager.Handle(ctx, u) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// update is what comes to the application: each message once and in order, if
// all is well.
func (r *reader) update(_ context.Context, u tg.UpdatesClass) error {
	for _, m := range device.Messages(u) {
		if !m.Out {
			r.record.saw(check.Seen{Text: m.Message, By: r.name, How: r.told.of(m.Message)})
		}
	}
	return nil
}

// fetcher makes the manager's calls, until they are answered.
type fetcher struct {
	api    *tg.Client
	reader *reader
}

// UpdatesGetState implements updates.API.
func (f *fetcher) UpdatesGetState(ctx context.Context) (s *tg.UpdatesState, err error) {
	err = f.insist(ctx, func(ctx context.Context) error { s, err = f.api.UpdatesGetState(ctx); return err })
	return s, err
}

// UpdatesGetDifference implements updates.API.
func (f *fetcher) UpdatesGetDifference(ctx context.Context, q *tg.UpdatesGetDifferenceRequest) (d tg.UpdatesDifferenceClass, err error) {
	how := f.reader.told.fetching()
	err = f.insist(ctx, func(ctx context.Context) error { d, err = f.api.UpdatesGetDifference(ctx, q); return err })
	if err != nil {
		return nil, err
	}
	var messages []tg.MessageClass
	switch d := d.(type) {
	case *tg.UpdatesDifference:
		messages = d.NewMessages
	case *tg.UpdatesDifferenceSlice:
		messages = d.NewMessages
	}
	for _, m := range messages {
		if m, ok := m.(*tg.Message); ok {
			f.reader.told.came(m.Message, how)
		}
	}
	return d, nil
}

// UpdatesGetChannelDifference implements updates.API.
func (f *fetcher) UpdatesGetChannelDifference(ctx context.Context, q *tg.UpdatesGetChannelDifferenceRequest) (tg.UpdatesChannelDifferenceClass, error) {
	return f.api.UpdatesGetChannelDifference(ctx, q)
}

// insist makes a call until it is answered, or refused for good.
func (f *fetcher) insist(ctx context.Context, call func(context.Context) error) error {
	for {
		bounded, cancel := context.WithTimeout(ctx, fetchTimeout)
		err := call(bounded)
		cancel()
		if err == nil || ctx.Err() != nil || tgerr.IsCode(err, 400, 401) {
			return err
		}
		_ = pause.For(ctx, fetchPause)
	}
}
