package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tgsession/tgsession/app/internal/doctor"
	"github.com/tgsession/tgsession/app/service/authsession/internal/config"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisconf"
	"github.com/tgsession/tgsession/app/service/authsession/internal/redisring"
)

const (
	pings = 5
	// slowPing is a round trip that makes a call of a few of them slow; a node that
	// takes half a second is done without.
	slowPing = 100 * time.Millisecond
)

// redisNode is a node of the configuration, and what it is for.
type redisNode struct {
	conf   redisconf.Node
	key    string   // of the first place that names it: "Cache[0]"
	uses   []string // Cache, KV
	events bool     // the stream of events may be on it
	now    func() time.Time
}

// redisChecks are those of each node that Cache or KV names.
func redisChecks(c config.Config, now func() time.Time) (checks []doctor.Check) {
	var nodes []*redisNode
	for _, list := range []struct {
		key   string
		nodes redisconf.Nodes
	}{{"Cache", c.Cache}, {"KV", c.KV}} {
		for i, conf := range list.nodes {
			conf.Weight = 0 // the one thing that is not of the node
			at := slices.IndexFunc(nodes, func(n *redisNode) bool { return n.conf == conf })
			if at < 0 {
				at = len(nodes)
				nodes = append(nodes, &redisNode{conf: conf, key: fmt.Sprintf("%s[%d]", list.key, i), now: now})
			}
			n := nodes[at]
			n.uses = append(n.uses, list.key)
			n.events = n.events || list.key == "KV" && c.Events.Enabled()
		}
	}
	for _, n := range nodes {
		name := fmt.Sprintf("Redis %s (%s)", n.conf, strings.Join(slices.Compact(n.uses), ", "))
		checks = append(checks, doctor.Check{Name: name, Run: n.check})
	}
	return checks
}

func (n *redisNode) check(ctx context.Context) doctor.Result {
	client := redisring.NewClient(n.conf)
	defer func() { _ = client.Close() }()
	took, err := latency(ctx, client)
	if err != nil {
		return n.unreachable(ctx, err)
	}
	r := doctor.Well("%v a round trip", took.Round(10*time.Microsecond))
	if took >= slowPing {
		r.Findings = append(r.Findings, doctor.Finding{Grade: doctor.Warn, Problem: fmt.Sprintf("a round trip takes %v: every call has several", took), Key: n.key + ".Host", Fix: "put Redis near this host"})
	}
	r.Findings = append(r.Findings, n.sentinels(ctx)...)
	infos, err := n.infos(ctx, client)
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		r.Findings = append(r.Findings, doctor.Finding{Grade: doctor.Warn, Problem: "does not allow INFO: copies live for one minute, and nothing can be said of it", Key: n.key + ".User", Fix: "allow this user INFO (ACL SETUSER … +info)"})
	case err != nil:
		return n.unreachable(ctx, err)
	default:
		for _, i := range infos {
			r.Findings = append(r.Findings, n.look(i)...)
		}
		r.Well = fmt.Sprintf("%s, %s, %v a round trip; maxmemory %s, %s; %s", infos[0]["redis_version"], infos[0]["redis_mode"],
			took.Round(10*time.Microsecond), infos[0]["maxmemory_human"], infos[0]["maxmemory_policy"], persistence(infos[0]))
	}
	clock, err := doctor.Clock{Now: n.now, Precision: time.Millisecond}.Compare(ctx, "this Redis", func(ctx context.Context) (time.Time, error) { return client.Time(ctx).Result() })
	if err == nil {
		r.Findings = append(r.Findings, clock.Findings...)
	}
	return r
}

func (n *redisNode) unreachable(ctx context.Context, err error) doctor.Result {
	t := redisring.Explain(ctx, n.conf, err)
	return doctor.Wrong(doctor.Fault, n.key+"."+t.Key, t.Fix, "%s", t.Problem)
}

// latency is the time of a round trip in the middle of some.
func latency(ctx context.Context, client redis.UniversalClient) (time.Duration, error) {
	var list []time.Duration
	for range pings {
		began := time.Now()
		if err := client.Ping(ctx).Err(); err != nil {
			return 0, err
		}
		list = append(list, time.Since(began))
	}
	slices.Sort(list)
	return list[len(list)/2], nil
}

// infos are what the node says of itself, or each primary of a cluster.
func (n *redisNode) infos(ctx context.Context, client redis.UniversalClient) (list []map[string]string, err error) {
	c, ok := client.(*redis.ClusterClient)
	if !ok {
		text, err := client.Info(ctx).Result()
		return []map[string]string{fields(text)}, err
	}
	var mu sync.Mutex
	err = c.ForEachMaster(ctx, func(ctx context.Context, one *redis.Client) error {
		text, err := one.Info(ctx).Result()
		if err != nil {
			return err
		}
		state, err := one.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		info := fields(text)
		for name, value := range fields(state) {
			info[name] = value
		}
		mu.Lock()
		defer mu.Unlock()
		list = append(list, info)
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("no primary is known")
	}
	return list, err
}

func fields(text string) map[string]string {
	list := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			list[name] = value
		}
	}
	return list
}

// look says what of a Redis does not fit.
func (n *redisNode) look(info map[string]string) (list []doctor.Finding) {
	note := func(grade doctor.Grade, key, fix, format string, args ...any) {
		list = append(list, doctor.Finding{Grade: grade, Key: n.key + key, Fix: fix, Problem: fmt.Sprintf(format, args...)})
	}
	switch mode := info["redis_mode"]; {
	case mode == "sentinel":
		note(doctor.Fault, ".Type", "set Type: sentinel, and MasterName", "is a Sentinel, which has no data, and Type is %s", n.conf.Type)
		return list
	case mode == redisconf.TypeCluster && n.conf.Type != redisconf.TypeCluster:
		note(doctor.Fault, ".Type", "set Type: cluster", "is a node of a Redis Cluster, and Type is %s: most keys are refused", n.conf.Type)
	case mode != redisconf.TypeCluster && n.conf.Type == redisconf.TypeCluster:
		note(doctor.Fault, ".Type", "set Type: node", "is no node of a Redis Cluster, and Type is cluster")
	}
	if state := info["cluster_state"]; state != "" && state != "ok" {
		note(doctor.Fault, ".Host", "start the nodes that are missing there", "the Redis Cluster's state is %s", state)
	}
	switch {
	case info["role"] != "slave" || n.conf.Type == redisconf.TypeCluster:
	case n.conf.Type == redisconf.TypeSentinel:
		note(doctor.Warn, ".Host", "wait for the failover to end, and ask again", "leads by its sentinels to a replica, which takes no writes")
	default:
		note(doctor.Fault, ".Host", "name the primary, "+info["master_host"]+":"+info["master_port"]+", or a name that follows it", "is a replica, and takes no writes")
	}
	if info["loading"] == "1" {
		note(doctor.Warn, ".Host", "wait", "is loading its dump")
	}
	if info["rdb_last_bgsave_status"] == "err" {
		note(doctor.Warn, ".Host", "see its log: its disk may be full", "could not write its last dump")
	}
	policy, limited := info["maxmemory_policy"], info["maxmemory"] != "" && info["maxmemory"] != "0"
	if limited && policy == "noeviction" && slices.Contains(n.uses, "Cache") {
		note(doctor.Warn, ".Host", "set its maxmemory-policy to volatile-lru", "takes no writes once it is full (maxmemory %s, %s)", info["maxmemory_human"], policy)
	}
	if limited && strings.HasPrefix(policy, "allkeys-") && n.events {
		note(doctor.Warn, ".Host", "set its maxmemory-policy to volatile-lru, or give KV a Redis of its own", "may throw the stream of events away when it is full (maxmemory %s, %s)", info["maxmemory_human"], policy)
	}
	return list
}

// persistence says what a restart leaves. Nothing has to stay: MySQL has the truth.
func persistence(info map[string]string) string {
	if info["aof_enabled"] == "1" {
		return "keeps a log of writes (AOF)"
	}
	return "keeps no log of writes (AOF): salts since its last dump are made anew after a crash"
}
