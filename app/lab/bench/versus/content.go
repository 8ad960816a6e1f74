package versus

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tgsession/tgsession/proto/tl"
)

// content is what goes over the wire in a row.
type content struct {
	tl []byte // as clients get it, before it is packed
	pb []byte // as the BFF answers it, or sync pushes it
}

// date is where the date of texts stands in pb: the four low bytes of a varint of five.
func (c content) date() int {
	return bytes.Index(c.pb, protowire.AppendVarint(nil, textsDate))
}

// callMethod is what clients call: its answer may be short or long.
const (
	callMethod = "users.getUsers"
	callPath   = "/mtproto.RPCUsers/users_getUsers"
)

// callBody is that call, as clients send it.
func callBody() []byte {
	var b bin.Buffer
	_ = (&tg.UsersGetUsersRequest{ID: []tg.InputUserClass{&tg.InputUser{UserID: 1_000_007, AccessHash: 0x1122334455667788}}}).Encode(&b) // nothing is missing
	return b.Buf
}

// body is what the BFF answers or sync pushes.
type body int

const (
	nobody body = iota // no user
	fewUsers
	manyUsers
	typing   // somebody is
	messages // two, and who wrote them
)

// newContent makes a body: the same one each time.
func newContent(schema *tl.Schema, what body) (c content, err error) {
	var object bin.Encoder
	switch what {
	case nobody:
		object = &tg.UserClassVector{}
	case fewUsers:
		object = &tg.UserClassVector{Elems: users(7)}
	case manyUsers:
		object = &tg.UserClassVector{Elems: users(170)}
	case typing:
		object = &tg.UpdateShort{Update: &tg.UpdateUserTyping{UserID: 1_000_001, Action: &tg.SendMessageTypingAction{}}, Date: 1_700_000_000}
	case messages:
		object = texts()
	}
	var b bin.Buffer
	if err := object.Encode(&b); err != nil {
		return c, fmt.Errorf("encode: %w", err)
	}
	c.tl = b.Buf
	if what == typing || what == messages {
		c.pb, _, err = schema.Decode(nil, schema.Message("Updates"), c.tl)
	} else {
		c.pb, _, err = schema.Decode(nil, schema.MethodByName(callMethod)[0].Reply, c.tl)
	}
	if err != nil {
		return c, fmt.Errorf("transcode: %w", err)
	}
	return c, nil
}

var (
	firstNames = []string{"Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Ken", "Radia", "Leslie", "Margaret", "John"}
	lastNames  = []string{"Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Allen", "Thompson", "Perlman", "Lamport", "Hamilton", "Backus"}
)

// previews are so many users whose photo comes with a small picture, which cannot
// be packed.
const previews = 8

// users makes users as a list of contacts has them: names repeat, ids and
// hashes do not.
func users(n int) (out []tg.UserClass) {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range n {
		first, last := firstNames[r.IntN(len(firstNames))], lastNames[r.IntN(len(lastNames))]
		u := &tg.User{ID: 1_000_000_000 + r.Int64N(1<<32), FirstName: first, LastName: last}
		u.SetAccessHash(r.Int64())
		u.SetContact(true)
		u.SetStatus(&tg.UserStatusOffline{WasOnline: 1_700_000_000 + r.IntN(1_000_000)})
		u.SetUsername(fmt.Sprintf("%s%s%d", first, last, r.IntN(100)))
		u.SetPhone(fmt.Sprintf("9996%07d", r.IntN(10_000_000)))
		photo := &tg.UserProfilePhoto{PhotoID: r.Int64(), DCID: 2}
		if i < previews {
			thumb := make([]byte, 27)
			for k := range thumb {
				thumb[k] = byte(r.Uint32())
			}
			photo.SetStrippedThumb(thumb)
		}
		u.SetPhoto(photo)
		out = append(out, u)
	}
	return out
}

// textsDate is the date of texts, which nothing else in them has.
const textsDate = 1_700_000_043

// texts is a push of two messages in a group.
func texts() *tg.Updates {
	people := users(3)
	message := func(id int, from int64, text string) tg.UpdateClass {
		m := &tg.Message{ID: id, PeerID: &tg.PeerChannel{ChannelID: 1_234_567_890}, Date: 1_700_000_000 + id, Message: text}
		m.SetFromID(&tg.PeerUser{UserID: from})
		return &tg.UpdateNewChannelMessage{Message: m, Pts: 100 + id, PtsCount: 1}
	}
	ask := "Does anybody know whether the meeting of tomorrow is still at ten, or was it moved to the afternoon because of the visit? " +
		"I would like to bring the figures of last month, and they are not quite done."
	answer := "It was moved to half past two, in the large room on the second floor. Bring what you have, we go through the rest together. " +
		"The visitors come at four and want to see the machine run; please see to it that it does, and that somebody can tell them what it is."
	return &tg.Updates{
		Updates: []tg.UpdateClass{message(41, people[0].GetID(), ask), message(42, people[1].GetID(), answer)},
		Users:   people, Chats: []tg.ChatClass{}, Date: textsDate,
	}
}
