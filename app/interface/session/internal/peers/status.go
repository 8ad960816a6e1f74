package peers

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/tgsession/tgsession/app/interface/session/internal/lane"
	"github.com/tgsession/tgsession/app/interface/session/internal/metrics"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/internal/rpcclient"
	"github.com/tgsession/tgsession/proto/status"
)

const (
	statusLanes = 128
	statusQueue = 1024 // reports waiting in one lane
)

// faults keeps a peer that is down from filling the log.
var faults = logx.NewLessLogger(1000)

// Status tells the status service who is online here, and asks it who it
// thinks is (PEERS.md, "status"). Reports of one key keep their order; nobody
// waits for them.
type Status struct {
	rpc      status.RPCStatusClient
	lanes    *lane.Lanes
	calls    *rpcclient.Calls
	serverID string
	timeout  time.Duration

	// Elsewhere reports whether another node owns a key now, and so reports of
	// it: what this one still had to say may contradict that. nil: none does.
	Elsewhere func(permAuthKeyID int64) bool

	// Announced gets the outcome of a SetOnline: a failure always, success when
	// it was asked for, or when the entry that was to be renewed was gone. It must
	// not block. nil: nobody does.
	Announced func(permAuthKeyID int64, outcome *sess.Announced)

	renewals renewals
	silent   atomic.Bool // it does not say who is online
}

// NewStatus reports over conn, at most timeout a call. serverID is where sync
// finds this node. spawn starts what makes the calls; nil: goroutines.
func NewStatus(conn grpc.ClientConnInterface, serverID string, timeout time.Duration, spawn lane.Spawn) *Status {
	s := &Status{
		rpc: status.NewRPCStatusClient(conn), lanes: lane.New(statusLanes, statusQueue), calls: rpcclient.NewCalls(""),
		serverID: serverID, timeout: timeout,
	}
	s.lanes.Spawn = spawn
	s.renewals.ask, s.renewals.tell = s.Missing, s.announce
	return s
}

var (
	errLate      = errors.New("peers: an announcement waited until it was not true any more")
	errFull      = errors.New("peers: too much waits")
	errElsewhere = errors.New("peers: another node has the key")
)

// Notify sends a SetOnline or SetOffline. It never blocks.
func (s *Status) Notify(r sess.Request) {
	switch r := r.(type) {
	case *sess.SetOnline:
		if r.Renews {
			s.renewals.add(r)
		} else {
			s.renewals.overrule(r.AuthKeyID, func() { s.announce(r, false) })
		}
	case *sess.SetOffline:
		s.renewals.overrule(r.AuthKeyID, func() {
			s.report(r.AuthKeyID, s.withdraw(Entry{UserID: r.UserID, AuthKeyID: r.AuthKeyID}), func(error) {})
		})
	}
}

// announce tells status that a key is online here. lost says that it did not know
// that any more.
func (s *Status) announce(r *sess.SetOnline, lost bool) {
	s.report(r.AuthKeyID, func(ctx context.Context) error {
		if r.Expires <= time.Now().Unix() {
			return errLate
		}
		_, err := s.rpc.StatusSetSessionOnline(ctx, &status.TLStatusSetSessionOnline{UserId: r.UserID, Session: &status.SessionEntry{
			PredicateName: "sessionEntry", UserId: r.UserID, AuthKeyId: r.AuthKeyID, PermAuthKeyId: r.AuthKeyID,
			Gateway: s.serverID, Expired: r.Expires, Layer: r.Layer, Client: r.Client,
		}})
		return err
	}, func(err error) {
		if s.Announced != nil && (err != nil || r.Confirm || lost) {
			s.Announced(r.AuthKeyID, &sess.Announced{At: r.At, Failed: err != nil, Lost: lost})
		}
	})
}

func (s *Status) withdraw(e Entry) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.rpc.StatusSetSessionOffline(ctx, &status.TLStatusSetSessionOffline{UserId: e.UserID, AuthKeyId: e.AuthKeyID})
		return err
	}
}

// report makes a call in the order of its key's, and done gets what came of it.
func (s *Status) report(key int64, call func(context.Context) error, done func(error)) {
	if !s.lanes.Go(key, func() {
		if s.Elsewhere != nil && s.Elsewhere(key) {
			done(errElsewhere)
			return
		}
		// Twice, because a connection that broke unnoticed fails once.
		err := s.try(call)
		if err != nil && !errors.Is(err, errLate) {
			err = s.try(call)
		}
		if err != nil {
			faults.Errorf("status: %v", err)
		}
		done(err)
	}) {
		metrics.StatusDropped.Inc()
		done(errFull)
	}
}

func (s *Status) try(report func(context.Context) error) error {
	c := s.calls.Begin(s.timeout, "")
	defer s.calls.End(c)
	return rpcclient.Late(c.Context(), report(c.Context()))
}

// Entry is what status should know, or should not: a user's key is online here.
type Entry struct {
	UserID, AuthKeyID int64
	Was               string // another node that it may name; empty: none
}

// entryBatch is how many users status is asked about in one call.
const entryBatch = 100

// Missing returns those of entries that status does not have, or has with
// another node's name. A status that cannot be asked has them all.
func (s *Status) Missing(ctx context.Context, entries []Entry) ([]Entry, error) {
	return s.compare(ctx, entries, false)
}

// Withdraw takes those of entries out of status that still name this node. It
// returns when it knows which; Wait waits for the rest.
func (s *Status) Withdraw(ctx context.Context, entries []Entry) error {
	stale, err := s.compare(ctx, entries, true)
	for _, e := range stale {
		if !s.lanes.Go(e.AuthKeyID, func() { _ = s.try(s.withdraw(e)) }) {
			metrics.StatusDropped.Inc()
		}
	}
	return err
}

// compare returns the entries that lead here, or those that do not.
func (s *Status) compare(ctx context.Context, entries []Entry, here bool) (found []Entry, err error) {
	for batch := range slices.Chunk(entries, entryBatch) {
		if s.silent.Load() {
			return found, nil
		}
		known, err := s.ask(ctx, batch)
		if grpcstatus.Code(err) == codes.Unimplemented {
			logx.Info("status does not say who is online: what it forgets is told again when it is due")
			s.silent.Store(true)
			return found, nil
		}
		if err != nil {
			return found, err
		}
		for _, e := range batch {
			if nodes, answered := known[e.UserID]; answered && here == s.leadsHere(nodes[e.AuthKeyID], e) {
				found = append(found, e)
			}
		}
	}
	return found, nil
}

// leadsHere reports whether pushes to a node come here: it is this one, or the one that
// had the key before, which sends them on.
func (s *Status) leadsHere(node string, e Entry) bool {
	return node == s.serverID || e.Was != "" && node == e.Was
}

// ask returns the nodes of the keys of some users. A user of whom status says
// nothing, not even that there is nobody, is left out.
func (s *Status) ask(ctx context.Context, entries []Entry) (map[int64]map[int64]string, error) {
	in := &status.TLStatusGetUsersOnlineSessionsList{}
	for _, e := range entries {
		if !slices.Contains(in.Users, e.UserID) {
			in.Users = append(in.Users, e.UserID)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	out, err := s.rpc.StatusGetUsersOnlineSessionsList(ctx, in)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]map[int64]string, len(in.Users))
	for _, user := range out.GetDatas() {
		nodes := make(map[int64]string, len(user.GetUserSessions()))
		for _, e := range user.GetUserSessions() {
			nodes[e.GetAuthKeyId()] = e.GetGateway()
		}
		known[user.GetUserId()] = nodes
	}
	return known, nil
}

// Wait returns when all reports have been made or ctx is done.
func (s *Status) Wait(ctx context.Context) error {
	return lane.Await(ctx, func() {
		s.renewals.busy.Wait()
		s.lanes.Wait()
	})
}
