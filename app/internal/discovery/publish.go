package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const leaseTTL = 10 // seconds, as go-zero's

// Publication keeps an address in etcd.
type Publication struct {
	etcd   *clientv3.Client
	conf   discov.EtcdConf
	value  string
	lost   func()
	began  time.Time
	own    context.Context // until Withdraw
	cancel context.CancelFunc
	done   chan struct{}

	renewed atomic.Int64 // when etcd last confirmed the lease, after began
	shown   atomic.Int64 // when etcd last listed the address, after began
	redone  atomic.Int64 // how often the key was not there as it should be, and was written anew

	mu        sync.Mutex       // held for a request to etcd
	lease     clientv3.LeaseID // 0: none
	alive     <-chan *clientv3.LeaseKeepAliveResponse
	seen      int64 // the revision of etcd at which the key was last as it should be
	breaks    int   // how often the lease had run out
	confirmed int   // breaks that Confirm has told of
}

// Publish registers value under c.Key/<lease id>, or c.Key/<c.ID>, and keeps
// it there until Withdraw, whatever happens to the key and its lease. An etcd
// that does not take it within patience is an error.
//
// lost, unless nil, is called when the lease has run out: for a time others found the
// address no more. It is not listed again until lost returns, which must call nothing
// of the publication.
func Publish(ctx context.Context, c discov.EtcdConf, value string, patience time.Duration, lost func()) (*Publication, error) {
	conf, err := etcdConfig(c)
	if err != nil {
		return nil, err
	}
	if lost == nil {
		lost = func() {}
	}
	own, cancel := context.WithCancel(context.Background())
	p := &Publication{conf: c, value: value, lost: lost, began: time.Now(), own: own, cancel: cancel, done: make(chan struct{})}
	bounded, end := context.WithTimeout(ctx, patience)
	defer end()
	if err := p.begin(bounded, conf); err != nil {
		close(p.done)
		p.abandon()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unusable(c, "the registration", patience, err)
	}
	go func() {
		defer close(p.done)
		p.keep()
	}()
	return p, nil
}

// begin makes the client and the first registration.
func (p *Publication) begin(ctx context.Context, conf clientv3.Config) (err error) {
	var b backoff
	for {
		if p.etcd == nil {
			p.etcd, err = dial(ctx, conf)
		}
		if p.etcd != nil {
			err = p.register(ctx)
		}
		if err == nil || refused(err) || !b.pause(ctx) {
			return err
		}
	}
}

// dial makes a client that outlives ctx, which bounds only the wait for a
// token.
func dial(ctx context.Context, conf clientv3.Config) (*clientv3.Client, error) {
	life, end := context.WithCancel(context.Background())
	conf.Context = life
	unbind := context.AfterFunc(ctx, end)
	etcd, err := clientv3.New(conf)
	if err != nil {
		end()
		return nil, err
	}
	if !unbind() {
		etcd.Close()
		return nil, ctx.Err()
	}
	return etcd, nil
}

// abandon gives up a publication that did not come about.
func (p *Publication) abandon() {
	if p.lease == 0 {
		p.cancel()
		if p.etcd != nil {
			p.etcd.Close()
		}
		return
	}
	ctx, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	_ = p.Withdraw(ctx)
}

// watchPause is how long the key is left alone after a change of it was looked at: two
// nodes with one ID would write it in turn else, as fast as etcd tells them.
const watchPause = time.Second

// watch has changed hear of changes of the key until Withdraw, from when the key was last
// seen to be as it should. What it misses, because etcd was away and has forgotten since
// what happened, is found with the next sign of life of the lease.
func (p *Publication) watch(changed chan<- struct{}) {
	for p.own.Err() == nil {
		ctx, cancel := context.WithCancel(p.own)
		p.mu.Lock()
		next := p.seen + 1
		p.mu.Unlock()
		for answer := range p.etcd.Watch(ctx, p.conf.Key+"/", clientv3.WithPrefix(), clientv3.WithRev(next)) { // the key's own name changes with the lease
			if answer.Err() != nil {
				break
			}
			if !p.concerns(answer.Events) {
				continue
			}
			select {
			case changed <- struct{}{}:
			case <-p.own.Done():
			}
			pause(p.own, watchPause)
		}
		cancel()
		pause(p.own, watchPause)
	}
}

// concerns reports whether one of the events is about the publication's key, and not made
// by itself.
func (p *Publication) concerns(events []*clientv3.Event) bool {
	p.mu.Lock()
	key, lease := p.key(), p.lease
	p.mu.Unlock()
	return slices.ContainsFunc(events, func(e *clientv3.Event) bool {
		mine := e.Type == clientv3.EventTypePut && string(e.Kv.Value) == p.value && clientv3.LeaseID(e.Kv.Lease) == lease
		return string(e.Kv.Key) == key && !mine
	})
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// keep registers anew what is lost: a lease that ran out, a key that somebody deleted or
// wrote over. It looks when etcd tells of a change of the key, and with each sign of life
// of the lease, which comes every few seconds.
func (p *Publication) keep() {
	changed := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { p.watch(changed) })
	for {
		p.mu.Lock()
		alive := p.alive
		p.mu.Unlock()
		select {
		case <-p.own.Done():
			return
		case <-changed:
		case _, open := <-alive:
			if open {
				p.renew()
			} else {
				p.ended(alive)
			}
		}
		var b backoff
		for {
			err := p.register(p.own)
			if p.own.Err() != nil {
				return
			}
			if err == nil {
				break
			}
			if b.last == 0 {
				logx.Errorf("etcd: the registration of %s under %s is in doubt: %v", p.value, p.conf.Key, err)
			}
			if !b.pause(p.own) {
				return
			}
		}
		if b.last > 0 {
			logx.Infof("etcd: %s is registered under %s again", p.value, p.conf.Key)
		}
	}
}

// renew notes that the lease lasts from now on.
func (p *Publication) renew() { p.renewed.Store(int64(time.Since(p.began))) }

// Overdue reports whether etcd has not renewed the lease for as long as it lasts: others
// may have been told that the address is gone.
func (p *Publication) Overdue() bool {
	return time.Since(p.began)-time.Duration(p.renewed.Load()) > leaseTTL*time.Second
}

// ended notes that nobody renews the lease any more, unless it is another by now.
func (p *Publication) ended(alive <-chan *clientv3.LeaseKeepAliveResponse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive == alive {
		p.alive = nil
	}
}

// Confirm asks etcd whether the address has been listed without a break since Publish,
// or the last Confirm that returned no error. An address that is not listed any more is
// listed again when Confirm returns. It is for a process that has not run for a while,
// and so cannot know. After Withdraw it is an error.
func (p *Publication) Confirm(ctx context.Context) (unbroken bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.own.Err(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := p.checkLease(ctx); err != nil {
		return false, err
	}
	if err := p.listed(ctx); err != nil {
		return false, err
	}
	p.renew() // a lease that etcd knows has some time left, and is renewed in it
	unbroken, p.confirmed = p.breaks == p.confirmed, p.breaks
	return unbroken, nil
}

// register makes true what a registration is: a lease that lives as long as
// the publication, and the key under it.
func (p *Publication) register(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if p.alive == nil {
		if err := p.checkLease(ctx); err != nil {
			return err
		}
	}
	return p.listed(ctx)
}

// checkLease gives up a lease that etcd does not know any more, and no other: two would
// be one too many to withdraw. p.mu is held, here and below.
func (p *Publication) checkLease(ctx context.Context) error {
	if p.lease == 0 {
		return nil
	}
	left, err := p.etcd.TimeToLive(ctx, p.lease)
	if err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return err
	}
	if err != nil || left.TTL <= 0 {
		p.over()
	}
	return nil
}

// over forgets a lease that has run out.
func (p *Publication) over() {
	p.lease, p.alive = 0, nil
	p.breaks++
	p.lost()
}

// listed has etcd list the address, under a new lease if there is none.
func (p *Publication) listed(ctx context.Context) error {
	if p.lease == 0 {
		grant, err := p.etcd.Grant(ctx, leaseTTL)
		if err != nil {
			return err
		}
		p.lease = grant.ID
		p.renew()
	}
	if err := p.put(ctx); err != nil {
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			p.over()
		}
		return err
	}
	if p.alive == nil {
		alive, err := p.etcd.KeepAlive(p.own, p.lease)
		if err != nil {
			return err
		}
		p.alive = alive
	}
	return nil
}

// key is where the address is listed.
func (p *Publication) key() string {
	id := int64(p.lease)
	if p.conf.HasID() {
		id = p.conf.ID
	}
	return p.conf.Key + "/" + strconv.FormatInt(id, 10)
}

// put writes the key, unless it is there as it should be.
func (p *Publication) put(ctx context.Context) error {
	key := p.key()
	answer, err := p.etcd.Get(ctx, key)
	if err != nil {
		return err
	}
	if len(answer.Kvs) == 1 && string(answer.Kvs[0].Value) == p.value && clientv3.LeaseID(answer.Kvs[0].Lease) == p.lease {
		p.seen = answer.Header.Revision
		p.listedNow()
		return nil
	}
	written, err := p.etcd.Put(ctx, key, p.value, clientv3.WithLease(p.lease))
	if err != nil {
		return err
	}
	p.seen = written.Header.Revision
	if p.shown.Load() != 0 {
		p.redone.Add(1)
		logx.Errorf("etcd: %s was not under %s any more, and was put there again", p.value, key)
	}
	p.listedNow()
	return nil
}

// listedNow notes that etcd has just said that it lists the address.
func (p *Publication) listedNow() { p.shown.Store(max(1, int64(time.Since(p.began)))) }

// Listed says in a few words when etcd has last listed the address; it asks nobody. It is
// an error when that is longer ago than a lease lasts: others may not find the address.
func (p *Publication) Listed() (text string, err error) {
	ago := (time.Since(p.began) - time.Duration(p.shown.Load())).Round(100 * time.Millisecond)
	if ago > leaseTTL*time.Second {
		return "", fmt.Errorf("has not confirmed for %v that it lists %s under %s", ago, p.value, p.conf.Key)
	}
	text = fmt.Sprintf("lists %s under %s, as of %v ago", p.value, p.conf.Key, ago)
	if n := p.redone.Load(); n > 0 {
		text += fmt.Sprintf("; it was gone and written anew %d times", n)
	}
	return text, nil
}

// Withdraw ends the publication. When it returns nil, etcd lists the address
// no more, under whatever lease: an older process at this address that crashed
// may have left one, too. On an error, and when ctx ends first, the address
// goes with its lease.
func (p *Publication) Withdraw(ctx context.Context) error {
	p.cancel()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.etcd.Close()
	var failed error
	if _, err := p.etcd.Revoke(ctx, p.lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		failed = fmt.Errorf("lease: %w", err)
	}
	list, err := p.etcd.Get(ctx, p.conf.Key+"/", clientv3.WithPrefix())
	if err != nil {
		return errors.Join(failed, err)
	}
	for _, kv := range list.Kvs {
		if string(kv.Value) != p.value {
			continue
		}
		if _, err := p.etcd.Delete(ctx, string(kv.Key)); err != nil {
			return errors.Join(failed, fmt.Errorf("%s: %w", kv.Key, err))
		}
	}
	return failed
}
