package core

import (
	"errors"
	"slices"
	"sync"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/touch"
	"github.com/tgsession/tgsession/proto/authsession"
)

const (
	maxTouches    = 1000 // of one call
	checkParallel = 16   // logins that are looked at side by side
)

// TouchSessions notes when perm keys were last active, and tells which of them
// nobody is logged in on. Each key is looked at once in Touch.CacheInterval; of
// those that cannot be looked at nothing is said.
func (c *Core) TouchSessions(in *authsession.TouchSessionsRequest) (*authsession.TouchSessionsReply, error) {
	if len(in.Touches) > maxTouches {
		return nil, rpcerr.ErrInputInvalid
	}
	var look []int64
	for _, t := range in.Touches {
		if t != nil && t.AuthKeyId != 0 &&
			c.svcCtx.Touch.Seen(touch.Touch{AuthKeyID: t.AuthKeyId, Seen: t.DateActive, IP: ipText(t.Ip)}) {
			look = append(look, t.AuthKeyId)
		}
	}
	return &authsession.TouchSessionsReply{RevokedAuthKeyIds: c.loggedOut(look)}, nil
}

// loggedOut returns those of the perm keys that nobody is logged in on. On a former primary of
// MySQL it goes on after a key that was not found there: copies in the cache tell of others,
// whose ends no session node would hear of else. That is logged once, not for each key.
func (c *Core) loggedOut(perms []int64) (gone []int64) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		said sync.Once
	)
	share := (len(perms) + checkParallel - 1) / checkParallel
	for part := range slices.Chunk(perms, max(share, 1)) {
		wg.Go(func() {
			for _, perm := range part {
				l, err := c.dao().Login(c.ctx, perm)
				switch {
				case errors.Is(err, dao.ErrOnlyReads):
					said.Do(func() { c.Errorf("touchSessions: %v", err) })
				case err != nil:
					c.Errorf("touchSessions: %v", err)
					return // the others would fail, too
				case l.BindUser == nil:
					mu.Lock()
					gone = append(gone, perm)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return gone
}

// seen notes a sign of life of a perm key that somebody is logged in on, as far
// as calls show it: sessions of stock send no others.
func (c *Core) seen(perm int64) {
	c.svcCtx.Touch.Seen(touch.Touch{AuthKeyID: perm, Seen: c.dao().Now()})
}
