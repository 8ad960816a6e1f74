package plan

import (
	"fmt"
	"time"
)

// Kind is what is done.
type Kind string

// What can be done. A node that was ended is started again.
const (
	Term  Kind = "SIGTERM"   // the process is asked to end
	Kill  Kind = "SIGKILL"   // the process ends at once
	Stop  Kind = "SIGSTOP"   // the process stands still, then goes on
	Hole  Kind = "partition" // connections stand and nothing passes, in both directions
	Cut   Kind = "cut"       // connections break and new ones are refused
	Delay Kind = "delay"     // all that passes is held up
	Join  Kind = "join"      // one more node comes
	Leave Kind = "leave"     // and goes, by SIGTERM
	Full  Kind = "disk full" // the file system of the logs has no room
)

// Target is what it is done to: a part, or what lies between two.
type Target string

// The parts and links. Where there are several of a part the fault meets one of
// them; a link is that of one node to all its peers of that kind.
const (
	Session     Target = "session"
	AuthSession Target = "authsession"
	Gateway     Target = "gateway"
	Etcd        Target = "etcd leader"
	Redis       Target = "Redis"
	MariaDB     Target = "MariaDB"

	SessionAuth Target = "session/authsession"
	SessionEtcd Target = "session/etcd"
	SessionBFF  Target = "session/BFF"
	AuthRedis   Target = "authsession/Redis"
	AuthMariaDB Target = "authsession/MariaDB"
	StatusRedis Target = "status/Redis"
	SessionDisk Target = "session logs"
	AuthDisk    Target = "authsession logs"
)

// Type is a kind of fault of one target.
type Type struct {
	Kind   Kind
	Target Target
}

func (t Type) String() string { return fmt.Sprintf("%s %s", t.Kind, t.Target) }

// Kills tells whether a session node dies of it without a chance to hand over
// what it holds: a call in flight may then be carried out twice.
func (t Type) Kills() bool { return t.Kind == Kill && t.Target == Session }

// Stops tells whether a session node is stopped for a while.
func (t Type) Stops() bool { return t.Kind == Stop && t.Target == Session }

// All are the faults that there are, in their order. SHORT leaves out those
// that are not brief.
func All() []Type {
	var all []Type
	for _, target := range []Target{Session, AuthSession, Gateway, Etcd, Redis, MariaDB} {
		for _, k := range []Kind{Term, Kill, Stop} {
			all = append(all, Type{k, target})
		}
	}
	all = append(all, Type{Join, Session}, Type{Leave, Session})
	for _, target := range []Target{SessionAuth, SessionEtcd, SessionBFF, AuthRedis, AuthMariaDB, StatusRedis} {
		for _, k := range []Kind{Hole, Cut, Delay} {
			all = append(all, Type{k, target})
		}
	}
	return append(all, Type{Full, SessionDisk}, Type{Full, AuthDisk})
}

// Brief are the faults of the short form: those by which a session node goes and
// comes, and one of each other part.
func Brief() []Type {
	return []Type{
		{Term, Session},
		{Kill, Session},
		{Stop, Session},
		{Join, Session},
		{Leave, Session},
		{Kill, AuthSession},
		{Kill, Gateway},
		{Kill, Etcd},
		{Cut, AuthRedis},
		{Hole, SessionBFF},
	}
}

// Fault is a fault to make.
type Fault struct {
	Type
	// Node is drawn anew for each fault: which of several nodes it meets, as
	// the remainder by their number.
	Node int
	// For is how long it lasts. A node that was killed is away so long.
	For time.Duration
	// Turn says that it belongs to the turn in which each comes once.
	Turn bool
}
