package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/interface/session/internal/gateway"
	"github.com/tgsession/tgsession/app/interface/session/internal/runloop"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/svc"
)

const (
	lookTime   = 2 * time.Second // that a page waits for a busy key
	topFresh   = time.Second     // Top looks at all keys once in that time
	mostTop    = 200
	mostEnded  = 10_000
	mostLinks  = 200
	ringSample = 4096
)

// Pages are the pages of a node.
type Pages struct {
	node *svc.ServiceContext
	mux  *http.ServeMux

	top sync.Mutex // one at a time looks at all keys
	was map[runloop.Rank]Top
}

// New makes the pages of a node, which may not have been started yet.
func New(node *svc.ServiceContext) *Pages {
	p := &Pages{node: node, mux: http.NewServeMux(), was: map[runloop.Rank]Top{}}
	for path, page := range map[string]func(*http.Request) (any, error){
		"keys/{id}": p.key, "top": p.largest, "ended": p.ended, "ring": p.ring, "queues": p.queues,
	} {
		p.mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, page) })
	}
	p.mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, func(*http.Request) (any, error) {
			return nil, &Error{"NOT_FOUND", "there is no such page; there are keys/{id}, top, ended, ring and queues"}
		})
	})
	return p
}

// ServeHTTP implements http.Handler.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// statuses are those of the codes of errors.
var statuses = map[string]int{
	"BAD_ARGUMENT": http.StatusBadRequest, "NOT_FOUND": http.StatusNotFound, "METHOD_NOT_ALLOWED": http.StatusMethodNotAllowed,
	"BUSY": http.StatusServiceUnavailable, "NOT_READY": http.StatusServiceUnavailable,
}

func (p *Pages) serve(w http.ResponseWriter, r *http.Request, page func(*http.Request) (any, error)) {
	body, err := any(nil), error(nil)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		err = &Error{"METHOD_NOT_ALLOWED", "pages are read by GET"}
		w.Header().Set("Allow", "GET, HEAD")
	case !p.node.Begun():
		err = &Error{"NOT_READY", "the node has not reached its peers yet"}
	default:
		body, err = page(r)
	}
	status := http.StatusOK
	if fault := new(Error); errors.As(err, &fault) {
		status, body = statuses[fault.Code], map[string]*Error{"error": fault}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(body) // who asked is gone
}

// ParseKey reads an auth key id: decimal, signed or not, or hexadecimal after 0x.
func ParseKey(text string) (int64, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return id, nil
	}
	hex, isHex := strings.CutPrefix(text, "0x")
	base := 10
	if isHex {
		base, text = 16, hex
	}
	id, err := strconv.ParseUint(text, base, 64)
	if err != nil {
		return 0, &Error{"BAD_ARGUMENT", fmt.Sprintf("%q is no auth key id: give 64 bits, decimal or as 0x...", text)}
	}
	return int64(id), nil
}

func (p *Pages) key(r *http.Request) (any, error) {
	asked, err := ParseKey(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	page := Key{ID: asked, Asked: asked, Bound: "unknown", Where: "absent"}
	if k, known := p.node.Keys.Peek(asked); known {
		if page.Bound = "unbound"; !k.Unbound() {
			page.ID, page.Bound = k.Perm, "bound"
			if k.Type == sess.PermKey {
				page.Bound = "perm"
			}
		}
	}
	page.Owner, page.Mine = p.node.Cluster.Owner(page.ID)
	ctx, cancel := context.WithTimeout(r.Context(), lookTime)
	defer cancel()
	seen, known, err := p.node.Runloop.Look(ctx, page.ID)
	if err != nil {
		return nil, &Error{"BUSY", fmt.Sprintf("the key has been in one step for %v", lookTime)}
	}
	if !known {
		return page, nil
	}
	if page.Bound == "unknown" && !seen.Unbound { // gateways that claim nothing need no lookup
		page.Bound = "perm"
	}
	page.Where, page.To, page.Online, page.Guest, page.Doubted = seen.Where, seen.To, seen.Online, seen.Guest, seen.Doubted
	page.Mailbox, page.Calls, page.State = Mailbox{seen.MailboxItems, seen.MailboxBytes}, seen.CallsFlying, seen.Machine
	return page, nil
}

// ranks are what keys are compared by.
var ranks = map[string]runloop.Rank{"": runloop.ByOutbox, "outbox": runloop.ByOutbox, "calls": runloop.ByCalls, "mailbox": runloop.ByMailbox}

var rankNames = [...]string{runloop.ByOutbox: "outbox", runloop.ByCalls: "calls", runloop.ByMailbox: "mailbox"}

func (p *Pages) largest(r *http.Request) (any, error) {
	rank, ok := ranks[r.FormValue("by")]
	if !ok {
		return nil, &Error{"BAD_ARGUMENT", "by is outbox, calls or mailbox"}
	}
	n, err := number(r, "n", 20, mostTop)
	if err != nil {
		return nil, err
	}
	p.top.Lock()
	defer p.top.Unlock()
	page, known := p.was[rank]
	if now := time.Now(); !known || now.Sub(page.At) > topFresh {
		top, keys := p.node.Runloop.Top(rank, mostTop)
		page = Top{By: rankNames[rank], At: now, Keys: keys, TookMs: float64(time.Since(now).Microseconds()) / 1000, Largest: []TopKey{}}
		for _, k := range top {
			page.Largest = append(page.Largest, TopKey{k.AuthKeyID, k.UserID, k.Outbox, k.Calls, Mailbox{k.MailboxItems, k.Mailbox}})
		}
		p.was[rank] = page
	}
	page.Largest = page.Largest[:min(n, len(page.Largest))]
	return page, nil
}

// number is a parameter of a page.
func number(r *http.Request, name string, usual, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, &Error{"BAD_ARGUMENT", fmt.Sprintf("%s is 1 to %d", name, most)}
	}
	return n, nil
}

func (p *Pages) ended(r *http.Request) (any, error) {
	n, err := number(r, "n", 100, mostEnded)
	if err != nil {
		return nil, err
	}
	var key int64
	if text := r.FormValue("key"); text != "" {
		if key, err = ParseKey(text); err != nil {
			return nil, err
		}
	}
	reason := r.FormValue("reason")
	if reason != "" && !slices.Contains(Reasons(), reason) {
		return nil, &Error{"BAD_ARGUMENT", "reason is one of " + strings.Join(Reasons(), ", ")}
	}
	list, total := p.node.Runloop.Ended(n, func(s *runloop.Ended) bool {
		return (key == 0 || s.Key == key || s.AuthKeyID == key) && (reason == "" || s.Reason.String() == reason)
	})
	page := Ended{Total: total, Kept: int(min(total, mostEnded)), Sessions: []EndedSession{}}
	for _, s := range list {
		page.Sessions = append(page.Sessions, EndedSession{
			time.Unix(0, s.At).UTC(), s.Key, s.AuthKeyID, s.SessionID, s.UserID, s.Reason.String(), s.Gateway, s.Node,
		})
	}
	return page, nil
}

// Reasons are those for which sessions end.
func Reasons() (names []string) {
	for r := range sess.EndReasons {
		names = append(names, r.String())
	}
	return names
}

func (p *Pages) ring(*http.Request) (any, error) {
	v := p.node.Cluster.View()
	page := Ring{
		Self: v.Self, Epoch: v.Epoch, Converging: v.Converging, Left: v.Left, Overdue: v.Overdue, Paused: v.Paused,
		Nodes: []RingNode{}, Past: []PastRing{}, Moves: Moves{v.Fetches, v.Offers, v.Parked, v.Forwards},
	}
	ring, owned := p.node.Cluster.Ring(), map[string]int{}
	for i := range int64(ringSample) {
		owned[ring.Owner(int64(uint64(i+1)*0x9e3779b97f4a7c15))]++
	}
	for _, n := range v.Nodes {
		page.Nodes = append(page.Nodes, RingNode{n, n == v.Self, float64(owned[n]) / ringSample})
	}
	now := p.node.Cluster.Now()
	for _, past := range v.Past {
		page.Past = append(page.Past, PastRing{past.Nodes, (now - past.Ended) / int64(time.Millisecond)})
	}
	return page, nil
}

func (p *Pages) queues(*http.Request) (any, error) {
	q, v := p.node.Runloop.Queues(), p.node.Cluster.View()
	page := Queues{
		Keys: q.Keys, HTTPRequests: q.HTTPRequests,
		Calls: Calls{Pool{q.CallsRunning, q.CallsWaiting}, q.CallBytes}, Peers: Pool{q.PeersRunning, q.PeersWaiting},
		LookupBytes: p.node.Keys.Waiting(), Moves: Moves{v.Fetches, v.Offers, v.Parked, v.Forwards}, Gateways: []Gateway{},
	}
	page.Lookups.Running, page.Lookups.Waiting = p.node.Keys.Lookups()
	var links []gateway.View
	links, page.GatewayLinks = p.node.Gateways.Views(mostLinks)
	for _, l := range links {
		mode := "stream"
		if l.Unary {
			mode = "unary"
		}
		page.Gateways = append(page.Gateways, Gateway{
			l.Gateway, l.Listed, mode, l.Packets, l.Bytes, l.Keys, l.Unread.Milliseconds(), l.Down.Milliseconds(), l.Idle.Milliseconds(),
		})
	}
	return page, nil
}
