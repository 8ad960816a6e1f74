package redisring

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Script is a Lua script, which a node keeps once it has run it.
type Script struct{ source, hash string }

// NewScript returns a script with the given source.
func NewScript(source string) *Script {
	sum := sha1.Sum([]byte(source))
	return &Script{source: source, hash: hex.EncodeToString(sum[:])}
}

// Call is one run of a script. The keys belong to one node (and, with a Redis
// cluster, to one slot).
type Call struct {
	Keys []string
	Args []any
}

// pipelined is how many calls one round trip carries: few enough to be done
// within its half second.
const pipelined = 256

// once is a command that is not sent again when its answer does not come: it
// may have been carried out. A Redis cluster's MOVED and ASK, which say that it
// was not, are followed.
type once struct{ *redis.Cmd }

// NoRetry tells go-redis so.
func (once) NoRetry() bool { return true }

// command is a run of the script, which the node has or gets with it.
func (s *Script) command(ctx context.Context, c Call, known bool) once {
	args := make([]any, 3, 3+len(c.Keys)+len(c.Args))
	args[0], args[1], args[2] = "evalsha", s.hash, len(c.Keys)
	if !known {
		args[0], args[1] = "eval", s.source
	}
	for _, key := range c.Keys {
		args = append(args, key)
	}
	return once{redis.NewCmd(ctx, append(args, c.Args...)...)}
}

func unknownScript(err error) bool { return redis.HasErrorPrefix(err, "NOSCRIPT") }

// Run runs a script on the node of keys[0]; the other keys must belong to it
// (and, with a Redis cluster, hash to its slot).
func (r *Ring) Run(ctx context.Context, script *Script, keys []string, args ...any) (result any, err error) {
	err = r.node(keys[0]).try(ctx, func(ctx context.Context, client redis.UniversalClient) error {
		for _, known := range []bool{true, false} {
			cmd := script.command(ctx, Call{keys, args}, known)
			_ = client.Process(ctx, cmd)
			if result, err = cmd.Result(); !unknownScript(err) {
				break
			}
		}
		return err
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return result, err
}

// RunEach runs a script for each call and returns the results in their order.
// errs has the error of each call that did not run, or of which that is not
// known; it is nil when all have. The calls of a node go out 256 at a time, the
// nodes work at the same time, and one that does not answer is asked once.
func (r *Ring) RunEach(ctx context.Context, script *Script, calls []Call) (results []any, errs []error) {
	results = make([]any, len(calls))
	errs = r.each(ctx, len(calls), func(i int) string { return calls[i].Keys[0] }, func(ctx context.Context, client redis.UniversalClient, indexes []int, errs []error) error {
		return script.pipeline(ctx, client, calls, indexes, results, errs)
	})
	return results, errs
}

// pipeline runs the calls with the given indexes in one round trip, in two where
// the node does not have the script. An error tells that the node does not
// answer; what it refuses is in errs.
func (s *Script) pipeline(ctx context.Context, client redis.UniversalClient, calls []Call, indexes []int, results []any, errs []error) error {
	for _, known := range []bool{true, false} {
		pipe := client.Pipeline()
		cmds := make([]once, len(indexes))
		for k, i := range indexes {
			cmds[k] = s.command(ctx, calls[i], known)
			_ = pipe.Process(ctx, cmds[k])
		}
		if err := exec(ctx, pipe); err != nil {
			return err
		}
		var again []int
		for k, i := range indexes {
			var err error
			results[i], err = cmds[k].Result()
			switch {
			case err == nil, errors.Is(err, redis.Nil):
			case known && unknownScript(err):
				again = append(again, i)
			case refused(err):
				errs[i] = err
			default:
				return err
			}
		}
		if indexes = again; len(again) == 0 {
			return nil
		}
	}
	return nil
}

// exec sends a pipeline. Its error is why nothing of it was carried out. Where Redis
// refuses a new connection's greeting, as it does with a wrong password, go-redis does
// not tell the commands, which would look done.
func exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return cmd.Err() != nil }) {
		return nil // they have been told
	}
	return err
}

// Delete removes keys, those of a node in one round trip for 256.
func (r *Ring) Delete(ctx context.Context, keys ...string) error {
	errs := r.each(ctx, len(keys), func(i int) string { return keys[i] }, func(ctx context.Context, client redis.UniversalClient, indexes []int, errs []error) error {
		pipe := client.Pipeline()
		for _, i := range indexes {
			pipe.Del(ctx, keys[i])
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	return First(errs)
}

// each has each node work on the keys that it holds, by their indexes, a batch
// at a time, all nodes at the same time. A node whose work fails is asked for
// nothing more. What failed is in errs, which work may add to; nil: nothing has.
func (r *Ring) each(ctx context.Context, n int, key func(i int) string, work func(ctx context.Context, client redis.UniversalClient, indexes []int, errs []error) error) (errs []error) {
	errs = make([]error, n)
	byNode := map[*node][]int{}
	for i := range n {
		at := r.node(key(i))
		byNode[at] = append(byNode[at], i)
	}
	all := func(at *node, indexes []int) {
		var dead error
		for batch := range slices.Chunk(indexes, pipelined) {
			if dead == nil {
				dead = at.try(ctx, func(ctx context.Context, client redis.UniversalClient) error { return work(ctx, client, batch, errs) })
			}
			if dead != nil {
				for _, i := range batch {
					errs[i] = dead
				}
			}
		}
	}
	var wg sync.WaitGroup
	for at, indexes := range byNode {
		if len(byNode) == 1 {
			all(at, indexes)
			break
		}
		wg.Go(func() { all(at, indexes) })
	}
	wg.Wait()
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return nil
	}
	return errs
}

// First is the first error of RunEach; nil when there is none.
func First(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
