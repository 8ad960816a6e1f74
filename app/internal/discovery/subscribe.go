package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zeromicro/go-zero/core/discov"
	"github.com/zeromicro/go-zero/core/logx"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Subscription follows a service. Its methods may be called from any
// goroutine.
type Subscription struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Subscribe calls update with the sorted values under c.Key, for the first
// time before it returns, then after each change that etcd made, in etcd's
// order and one call at a time. While etcd cannot be reached nothing is called;
// once it can again, there is one call if the values are others. An etcd that
// does not list the key within patience is an error, and so is the end of ctx,
// which has no meaning after that.
func Subscribe(ctx context.Context, c discov.EtcdConf, patience time.Duration, update func(values []string)) (*Subscription, error) {
	conf, err := etcdConfig(c)
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(context.Background())
	conf.Context = own
	s := &Subscription{cancel: cancel, done: make(chan struct{})}
	f := &follower{conf: conf, prefix: c.Key + "/", update: update, listed: make(chan struct{})}
	go func() {
		defer close(s.done)
		f.run(own)
	}()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-f.listed:
		return s, nil
	case <-t.C:
		s.Close()
		return nil, unusable(c, "the list", patience, f.failed)
	case <-ctx.Done():
		s.Close()
		return nil, ctx.Err()
	}
}

// Close ends the subscription, whatever etcd does; a call of update that is
// under way is waited for, and none comes after it.
func (s *Subscription) Close() {
	s.cancel()
	<-s.done
}

// follower is the goroutine of a subscription.
type follower struct {
	conf   clientv3.Config
	prefix string
	update func([]string)
	listed chan struct{} // closed after the first update

	etcd   *clientv3.Client
	values map[string]string // by key
	told   []string
	isTold bool
	failed error // nil while the service is followed
}

func (f *follower) run(ctx context.Context) {
	defer func() {
		if f.etcd != nil {
			f.etcd.Close()
		}
	}()
	var b backoff
	for {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.failed == nil && f.isTold {
			logx.Errorf("etcd: %s is not followed for now, the last list stays: %v", f.prefix, err)
		}
		f.failed = err
		if time.Since(began) > maxPause {
			b = backoff{}
		}
		if !b.pause(ctx) {
			return
		}
	}
}

// follow lists the service and follows it from that revision on, until
// something breaks. The watch is a bare stream: clientv3's goes on by itself
// after a broken connection, from its old revision, which an etcd that was
// restored from a backup has not reached for long.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	if f.etcd == nil {
		etcd, err := clientv3.New(f.conf) // waits for etcd when there is an account
		if err != nil {
			return err
		}
		f.etcd = etcd
	}
	bounded, done := context.WithTimeout(ctx, requestTimeout)
	list, err := f.etcd.Get(bounded, f.prefix, clientv3.WithPrefix())
	done()
	if err != nil {
		return err
	}
	f.values = make(map[string]string, len(list.Kvs))
	for _, kv := range list.Kvs {
		f.values[string(kv.Key)] = string(kv.Value)
	}
	f.tell()

	stream, err := pb.NewWatchClient(f.etcd.ActiveConnection()).Watch(clientv3.WithRequireLeader(ctx))
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte(f.prefix), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(f.prefix)), StartRevision: list.Header.Revision + 1,
	}}}); err != nil {
		return err
	}
	for {
		changes, err := stream.Recv()
		switch {
		case err != nil:
			return err
		case changes.Canceled:
			return fmt.Errorf("watch canceled: %s (compacted at %d)", changes.CancelReason, changes.CompactRevision)
		case changes.Created && f.failed != nil:
			logx.Infof("etcd: %s is followed again", f.prefix)
			f.failed = nil
		}
		for _, ev := range changes.Events {
			if ev.Type == mvccpb.DELETE {
				delete(f.values, string(ev.Kv.Key))
			} else {
				f.values[string(ev.Kv.Key)] = string(ev.Kv.Value)
			}
			f.tell() // each: a node that was away for a moment was away
		}
	}
}

func (f *follower) tell() {
	now := slices.Compact(slices.Sorted(maps.Values(f.values)))
	if f.isTold && slices.Equal(now, f.told) {
		return
	}
	f.update(slices.Clone(now))
	f.told = now
	if !f.isTold {
		f.isTold = true
		f.failed = nil
		close(f.listed)
	}
}
