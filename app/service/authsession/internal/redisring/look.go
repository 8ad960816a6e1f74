package redisring

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
)

// lookAgain is for how long a node is not looked at that does not know, or does not
// allow, what a look asks.
const lookAgain = time.Minute

// Sight is what a look finds at Key.
type Sight struct {
	Key string
	// Value is the string that is there; empty where there is none.
	Value string
	// Origin is the replication ID of the Redis that has told Value: a primary when it
	// did, and one that takes writes. It is empty where that is not known, and then
	// nothing was found out: a script can.
	Origin string
	// Err is why the node does not answer, or what it refuses with.
	Err error
}

// Look asks for the strings at keys and for what tells whether they are to be believed,
// in one round trip to each node. It costs Redis a quarter of what a script does, and a
// twentieth where many look.
//
// A look is GETEX of each key and then INFO, in one pipeline, which one connection
// carries to one process. GETEX reads as GET does, but counts as a write: a Redis that
// refuses writes refuses it, and what sends reads to replicas sends it to the primary.
// INFO comes last. A Redis that becomes a replica, or stops being one, gets another
// replication ID or another role, and no ID comes back: the primary that INFO tells of
// was that primary when it told the values.
//
// Where INFO was sent on the connection less than 100 ms before the values came, they
// alone are asked for: INFO costs five times what a value does. What it said holds, for
// the connection leads to the same process, which is no replica, or it would refuse GETEX
// with READONLY. What is not found out is a process that has become a replica and a
// primary again in less than 100 ms and left the connection standing; sentinels break the
// connections of what they make a replica. A replica that takes writes (replica-read-only
// no) does not refuse GETEX, and is found out when INFO is asked again. A node whose
// machine is halted sees no time pass. Behind a proxy that has one connection lead to
// several processes, INFO may always speak of another one than the value's.
//
// A Redis cluster is not looked at: the commands of a pipeline may go to several of its
// nodes, and INFO would speak of another one than the value's.
func (r *Ring) Look(ctx context.Context, keys ...string) []Sight {
	found := make([]Sight, len(keys))
	all := make([]*Sight, len(keys))
	for i, key := range keys {
		found[i].Key, all[i] = key, &found[i]
	}
	if r.dispatch == nil || len(keys) == 1 {
		r.node(keys[0]).look(ctx, all)
		return found
	}
	byNode := map[*node][]*Sight{}
	for _, s := range all {
		at := r.node(s.Key)
		byNode[at] = append(byNode[at], s)
	}
	var wg sync.WaitGroup
	for at, some := range byNode {
		if len(byNode) == 1 {
			at.look(ctx, some)
			break
		}
		wg.Go(func() { at.look(ctx, some) })
	}
	wg.Wait()
	return found
}

// look fills in what the node tells.
func (n *node) look(ctx context.Context, list []*Sight) {
	if n.conf.Type == redisconf.TypeCluster || time.Now().UnixNano() < n.unlookedTill.Load() {
		return
	}
	var origin string
	err := n.try(ctx, func(ctx context.Context, _ redis.UniversalClient) (err error) {
		var able bool
		if origin, able, err = n.kept.look(ctx, list); !able {
			n.unlookedTill.Store(time.Now().Add(lookAgain).UnixNano())
		}
		return err
	})
	for _, s := range list {
		s.Origin, s.Err = origin, err
	}
}

// infoArgs are the arguments of the command that tells role and replication ID. They
// are shared, and not changed.
var infoArgs = []any{"info", "replication"}

// lookWith asks for the values and for INFO. It is not able to where the node does not
// know a command, or does not allow it, or does not say what it is.
func lookWith(ctx context.Context, pipe redis.Pipeliner, list []*Sight) (origin string, able bool, err error) {
	info := redis.NewStringCmd(ctx, infoArgs...)
	if able, err = getWith(ctx, pipe, list, info); err != nil || !able {
		return "", able, err
	}
	text, err := info.Result()
	switch {
	case err == nil:
		origin, able = originIn(text)
		return origin, able, nil
	case refused(err):
		return "", false, nil
	}
	return "", true, err
}

// getWith asks for the values, and then for what comes with them.
func getWith(ctx context.Context, pipe redis.Pipeliner, list []*Sight, also ...redis.Cmder) (able bool, err error) {
	cmds := make([]*redis.StringCmd, len(list))
	for i, s := range list {
		cmds[i] = redis.NewStringCmd(ctx, "getex", s.Key)
		_ = pipe.Process(ctx, cmds[i])
	}
	_ = pipe.BatchProcess(ctx, also...)
	if err = exec(ctx, pipe); err != nil {
		return true, err
	}
	for i, s := range list {
		switch s.Value, err = cmds[i].Result(); {
		case err == nil, errors.Is(err, redis.Nil):
		case redis.HasErrorPrefix(err, "unknown command"), redis.HasErrorPrefix(err, "NOPERM"):
			return false, nil
		default:
			return true, err
		}
	}
	return true, nil
}

// originIn returns the replication ID in what INFO says; empty where it speaks of a
// replica. It is not able to where INFO does not say.
func originIn(info string) (id string, able bool) {
	_, rest, _ := strings.Cut(info, "\nmaster_replid:")
	id, _, able = strings.Cut(rest, "\r")
	if !able || !strings.Contains(info, "\nrole:master\r") {
		return "", able
	}
	return id, able
}
