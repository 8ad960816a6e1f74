package bff

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/gotd/td/tg"
)

// firstUserID is the id of the first who signs up.
const firstUserID = 1001

// account is a user with the messages they have sent and received. A message
// is the only kind of event there is, and each makes one step of pts.
type account struct {
	id, accessHash         int64
	phone, first, lastName string

	box  []message          // ascending: the id of a message is its place, from 1
	sent map[int64]struct{} // random ids that were used; guarded, like box, by store.mu
}

// message is a message as its owner sees it.
type message struct {
	id   int
	out  bool
	from int64
	peer int64 // the user whose dialog it is in
	date int
	text string
	doc  *document // nil: none
}

// login is a login code on its way.
type login struct {
	hash     string
	verified bool // the code was right, but there is no account yet
}

// store is everything the server knows.
type store struct {
	mu       sync.Mutex
	accounts []*account // by id, from firstUserID
	phones   map[string]*account
	logins   map[string]login // by phone

	// By perm key: logins that wait for the password, and what it is to be
	// proved against.
	owing      map[int64]*account
	challenges map[int64]*challenge
}

func newStore() *store {
	return &store{
		phones:     map[string]*account{},
		logins:     map[string]login{},
		owing:      map[int64]*account{},
		challenges: map[int64]*challenge{},
	}
}

// account finds a user by id; nil when there is none.
func (s *store) account(id int64) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(id)
}

func (s *store) find(id int64) *account {
	if i := id - firstUserID; i >= 0 && i < int64(len(s.accounts)) {
		return s.accounts[i]
	}
	return nil
}

// byPhone finds a user by phone number in digits; nil when there is none.
func (s *store) byPhone(phone string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phones[phone]
}

// others lists everyone but a.
func (s *store) others(a *account) []*account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.accounts), func(o *account) bool { return o == a })
}

// signUp makes an account; nil when the phone has one.
func (s *store) signUp(phone, first, last string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phones[phone] != nil {
		return nil
	}
	a := &account{
		id:         firstUserID + int64(len(s.accounts)),
		accessHash: randomInt64(),
		phone:      phone,
		first:      first,
		lastName:   last,
		sent:       map[int64]struct{}{},
	}
	s.accounts = append(s.accounts, a)
	s.phones[phone] = a
	return a
}

// send puts a message into the boxes of both; to themselves it is one. ok is
// false when the random id was used before. Of m it takes what the message says.
func (s *store) send(from, to *account, m message, randomID int64) (out, in message, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := from.sent[randomID]; used {
		return message{}, message{}, false
	}
	from.sent[randomID] = struct{}{}
	m.from, m.date = from.id, now()
	out, in = m, m
	out.out, out.peer = true, to.id
	out = from.add(out)
	if to == from {
		return out, out, true
	}
	in.peer = from.id
	return out, to.add(in), true
}

// used reports whether a has sent a message with that random id.
func (s *store) used(a *account, randomID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, used := a.sent[randomID]
	return used
}

func (a *account) add(m message) message {
	m.id = len(a.box) + 1
	a.box = append(a.box, m)
	return m
}

// ptsAfter is the owner's pts once message id has arrived; it starts at 1.
func ptsAfter(id int) int { return id + 1 }

// messages returns the box of a. It is a snapshot: what it holds never changes.
func (s *store) messages(a *account) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.box
}

// dialog returns the messages of a with peer, newest first.
func (s *store) dialog(a *account, peer int64) []message {
	return s.newest(a, func(m message) bool { return m.peer == peer })
}

// newest returns the messages of a that match, newest first.
func (s *store) newest(a *account, match func(message) bool) []message {
	var out []message
	for _, m := range slices.Backward(s.messages(a)) {
		if match(m) {
			out = append(out, m)
		}
	}
	return out
}

// dialogs returns the newest message of each dialog of a, newest first.
func (s *store) dialogs(a *account) []message {
	top := map[int64]message{}
	for _, m := range s.messages(a) {
		top[m.peer] = m
	}
	out := make([]message, 0, len(top))
	for _, m := range top {
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y message) int { return cmp.Compare(y.id, x.id) })
	return out
}

// users shows everyone that messages of viewer name, and viewer, each once.
func (s *store) users(viewer *account, messages []message) []tg.UserClass {
	ids := []int64{viewer.id}
	for _, m := range messages {
		ids = append(ids, m.from, m.peer)
	}
	slices.Sort(ids)
	var out []tg.UserClass
	for _, id := range slices.Compact(ids) {
		out = append(out, s.account(id).user(viewer))
	}
	return out
}

// user is a as viewer sees them.
func (a *account) user(viewer *account) *tg.User {
	return &tg.User{
		ID:            a.id,
		Self:          a == viewer,
		Contact:       a != viewer,
		MutualContact: a != viewer,
		AccessHash:    a.accessHash,
		FirstName:     a.first,
		LastName:      a.lastName,
		Phone:         a.phone,
		Status:        &tg.UserStatusRecently{},
	}
}

// object makes a TL object of the caller's own: encoding writes to it.
func (m message) object() *tg.Message {
	out := &tg.Message{
		ID:      m.id,
		Out:     m.out,
		FromID:  &tg.PeerUser{UserID: m.from},
		PeerID:  &tg.PeerUser{UserID: m.peer},
		Date:    m.date,
		Message: m.text,
	}
	if m.doc != nil {
		out.Media = m.doc.media()
	}
	return out
}

func objects(messages []message) []tg.MessageClass {
	out := make([]tg.MessageClass, len(messages))
	for i, m := range messages {
		out[i] = m.object()
	}
	return out
}

func randomInt64() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return int64(binary.LittleEndian.Uint64(b[:]))
}
