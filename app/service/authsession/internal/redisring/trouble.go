package redisring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
)

// Trouble is why a node cannot be used: the key of its configuration that leads to
// the cause, what is wrong, as a predicate, and what to do about it.
type Trouble struct{ Key, Problem, Fix string }

// Explain says what lies behind an error of a node, other than that a key is not
// there. It asks the sentinels of a node that has some.
func Explain(ctx context.Context, c redisconf.Node, err error) Trouble {
	if c.Type != redisconf.TypeSentinel {
		return refusal(err)
	}
	list := Sentinels(ctx, c)
	if i := slices.IndexFunc(list, func(s Sentinel) bool { return s.Primary != "" }); i >= 0 {
		if refused(err) {
			return refusal(err)
		}
		return Trouble{
			"Host", fmt.Sprintf("leads by its sentinels to the primary %s, which does not answer: %v", list[i].Primary, err),
			"start it, or wait for a failover; where that address is not for this host, set replica-announce-ip and sentinel announce-ip",
		}
	}
	if i := slices.IndexFunc(list, func(s Sentinel) bool { return s.Err == nil }); i >= 0 {
		return Trouble{
			"MasterName", fmt.Sprintf("is %q, a name that the sentinels do not have", c.MasterName),
			"set the name of \"sentinel monitor\"; they have: " + strings.Join(list[i].Groups, ", "),
		}
	}
	if i := slices.IndexFunc(list, func(s Sentinel) bool { return refused(s.Err) }); i >= 0 {
		return sentinelsRefusal(list[i])
	}
	return Trouble{"Host", fmt.Sprintf("names no sentinel that answers: %v", list[0].Err), "start them, or correct the addresses (and Tls)"}
}

// denied reports whether err says that an account is missing or wrong.
func denied(err error) bool {
	return slices.ContainsFunc([]string{"NOAUTH", "WRONGPASS", "AUTH"}, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

func refusal(err error) Trouble {
	switch {
	case !refused(err):
		return Trouble{"Host", fmt.Sprintf("does not answer: %v", err), "start it, or correct the address (and Tls)"}
	case denied(err):
		return Trouble{"Pass", fmt.Sprintf("refuses the account: %v", err), "correct it (and User)"}
	case redis.HasErrorPrefix(err, "This instance has cluster support disabled"):
		return Trouble{"Type", fmt.Sprintf("is no node of a Redis Cluster: %v", err), "set Type: node"}
	case redis.HasErrorPrefix(err, "MISCONF"):
		return Trouble{"Host", "could not write its dump, and takes no writes until it can", "see its log: its disk may be full"}
	}
	return Trouble{"Host", fmt.Sprintf("answers, and refuses what it is asked: %v", err), "see its log"}
}

func sentinelsRefusal(s Sentinel) Trouble {
	switch {
	case redis.HasErrorPrefix(s.Err, "NOPERM"):
		return Trouble{"SentinelUser", fmt.Sprintf("may not ask the sentinel %s: %v", s.Address, s.Err), "allow it there: +sentinel|get-master-addr-by-name +sentinel|sentinels +sentinel|masters +subscribe +ping, and the channels"}
	case denied(s.Err):
		return Trouble{"SentinelPass", fmt.Sprintf("is refused by the sentinel %s: %v", s.Address, s.Err), "set what requirepass has in the sentinels' own file (and SentinelUser); Pass is for Redis itself"}
	}
	return Trouble{"Host", fmt.Sprintf("has %s, which is no sentinel: %v", s.Address, s.Err), "name the sentinels, which listen on 26379 unless told otherwise; with the address of Redis itself, set Type: node"}
}

// Sentinel is what one of a node's sentinels says.
type Sentinel struct {
	Address string
	Primary string   // where it has the primary; empty: it has no such group
	Groups  []string // the names that it has, where it has no such group
	Quorum  error    // why it could not replace the primary now
	Err     error    // it does not answer, or refuses
}

// Sentinels asks all sentinels that Host names, at the same time.
func Sentinels(ctx context.Context, c redisconf.Node) []Sentinel {
	silence()
	list := make([]Sentinel, len(c.Hosts()))
	var wg sync.WaitGroup
	for i, host := range c.Hosts() {
		wg.Go(func() { list[i] = ask(ctx, c, host) })
	}
	wg.Wait()
	return list
}

func ask(ctx context.Context, c redisconf.Node, address string) (s Sentinel) {
	s.Address = address
	client := redis.NewSentinelClient(&redis.Options{
		Addr: address, Username: c.SentinelUser, Password: c.SentinelPass, TLSConfig: security(c), MaxRetries: -1,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true, DialerRetries: 1, DisableIdentity: c.DisableIdentity,
	})
	defer func() { _ = client.Close() }()
	at, err := client.GetMasterAddrByName(ctx, c.MasterName).Result()
	switch {
	case errors.Is(err, redis.Nil):
		s.Groups, s.Err = groups(ctx, client)
	case err != nil:
		s.Err = err
	case len(at) == 2:
		s.Primary = strings.Join(at, ":")
		s.Quorum = client.CkQuorum(ctx, c.MasterName).Err()
	}
	return s
}

// groups are the names that a sentinel has.
func groups(ctx context.Context, client *redis.SentinelClient) (names []string, err error) {
	masters, err := client.Masters(ctx).Result()
	for _, m := range masters {
		if fields, ok := m.(map[any]any); ok {
			names = append(names, fmt.Sprint(fields["name"]))
		} else if list, ok := m.([]any); ok && len(list) > 1 { // RESP 2: name, its value, ...
			names = append(names, fmt.Sprint(list[1]))
		}
	}
	return names, err
}
