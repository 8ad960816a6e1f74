package sim

import (
	"slices"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess"
	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// habits are what real clients do beside what the protocol asks of them. Each
// client of a run draws its own.
type habits struct {
	// acksNoMembers: what came inside a container is never acknowledged (gotd).
	acksNoMembers bool
	// usesFuture: salts are taken from future_salts. Each counts as gone 60 s
	// before its end, as TDLib has it; eager clients take the next one 300 s
	// before its begin, as gotd does.
	usesFuture, eager bool
	// startsOver: after a reconnect everything is asked again in a new session,
	// under new ids (GramJS). In a siege nothing is fetched in that (gotd).
	startsOver bool
}

// draw gives a client its habits and its keys.
func (cl *client) draw() {
	c := cl.c
	cl.habits = habits{acksNoMembers: c.chance(4), usesFuture: c.chance(3), eager: c.chance(2), startsOver: c.chance(6)}
	if !cl.pfs {
		return
	}
	if cl.layer >= 200 {
		cl.extra = append(cl.extra, &tempKey{kind: sess.MediaTempKey})
	}
	for range c.rnd.IntN(3) {
		cl.extra = append(cl.extra, &tempKey{kind: sess.TempKey})
	}
}

// tempKey is a temp key that a client has beside its first one: for media, or
// for one session more, as TDLib has them for uploads and a pool of connections
// for each.
type tempKey struct {
	kind  sess.KeyType
	id    int64 // 0: not made yet
	bound bool
}

// extraKey finds such a key by its id; nil: there is none.
func (cl *client) extraKey(id int64) *tempKey {
	for _, k := range cl.extra {
		if k.id == id && id != 0 {
			return k
		}
	}
	return nil
}

// readyExtra brings a client to a session under each of its further keys. False:
// a key is under way.
func (cl *client) readyExtra() bool {
	for _, k := range cl.extra {
		i := slices.IndexFunc(cl.sessions, func(s *csession) bool { return s.extra == k })
		switch {
		case k.id == 0:
			cl.makeKey(k.kind, &k.id)
			return false
		case i < 0:
			cl.openExtra(k)
			return false
		case k.bound:
		case cl.sessions[i].calling(bindKey):
			cl.sessions[i].insist()
		default:
			cl.sessions[i].bind()
		}
	}
	return true
}

// openExtra opens the session that one of them is for.
func (cl *client) openExtra(k *tempKey) *csession {
	s := newSession(cl)
	s.key, s.extra, s.media = k.id, k, k.kind == sess.MediaTempKey
	cl.sessions = append(cl.sessions, s)
	cl.c.note(cl.name, "opens a session under a key of its own", s.key, s.id)
	return s
}

// lose gives up one of them.
func (cl *client) lose(k *tempKey) {
	k.id, k.bound = 0, false
	for _, s := range slices.Clone(cl.sessions) {
		if s.extra == k {
			cl.abandon(s)
		}
	}
}

// future is a salt that a client was told of, Unix seconds of its own clock.
type future struct {
	since, until int64
	salt         int64
}

// What clients know of time.
const (
	goneBefore  = 60  // s before its end a salt counts as gone
	takenBefore = 300 // s before its begin an eager client takes the next salt
)

// clock is what a client thinks the time is, Unix seconds.
func (cl *client) clock() int64 { return (cl.c.now + int64(cl.skew)) / 1e9 }

// salt is the one to send with.
func (cl *client) salt(key int64) int64 {
	if !cl.habits.usesFuture {
		return cl.salts[key]
	}
	now := cl.clock()
	for _, f := range slices.Backward(cl.future[key]) {
		since := f.since
		if cl.habits.eager {
			since -= takenBefore
		}
		if since <= now && now < f.until-goneBefore {
			cl.salts[key] = f.salt
			break
		}
	}
	return cl.salts[key]
}

// futureSalts takes future_salts.
func (cl *client) futureSalts(s *csession, r *wire.Reader) {
	r.Long()
	r.Int()
	list := make([]future, max(0, min(r.Int(), 64)))
	for i := range list {
		list[i] = future{since: int64(r.Int()), until: int64(r.Int()), salt: r.Long()}
	}
	s.watch(r.OK(), "containers", "future_salts cannot be read")
	cl.future[s.key] = list
}

// badSalt takes bad_server_salt.
//
// Invariant: a salt is good that the server has told of, for all of its time and
// as early as clients use it, also with a clock that is a little wrong. Where the
// salt is named that was used, it is not the salt that was refused: the packet came
// while the salts were being read, and found no place.
func (s *csession) badSalt(bad, named int64) {
	const skew = 50
	cl, now, used := s.c, s.c.c.now/1e9, s.salted[bad]
	for _, f := range cl.future[s.key] {
		good := !cl.c.clocks.loose && f.salt == used && used != named && f.since-takenBefore-skew < now && now < f.until
		s.watch(!good, "salts", "salt %x of [%d, %d) is refused at %d, which it was told of; %x is named", used, f.since, f.until, now, named)
	}
	cl.salts[s.key], cl.future[s.key] = named, nil
}
