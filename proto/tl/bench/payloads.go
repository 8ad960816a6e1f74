package main

import (
	"fmt"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
)

// object is a TL object of gotd.
type object interface {
	bin.Encoder
	bin.Decoder
}

// payload is one message as a server meets it.
type payload struct {
	name    string
	message string        // its protobuf message
	value   object        // with what gotd built it
	fresh   func() object // an empty one to decode into
}

// The payloads have the sizes and shapes that clients and servers exchange all day: a request, an answer of 1 KB, a push, what
// a client missed, a page of a busy chat.
func payloads() []payload {
	fill := func(n int, more func(i int)) {
		for i := range n {
			more(i)
		}
	}
	var page tg.MessagesMessages
	fill(64, func(i int) { page.Messages = append(page.Messages, message(i)) })
	fill(2, func(i int) { page.Chats = append(page.Chats, channel(i)) })
	fill(24, func(i int) { page.Users = append(page.Users, user(i)) })

	var users tg.UserClassVector
	fill(8, func(i int) { users.Elems = append(users.Elems, user(i)) })

	difference := tg.UpdatesDifference{
		OtherUpdates: []tg.UpdateClass{
			&tg.UpdateReadHistoryOutbox{Peer: peer(3), MaxID: 88121, Pts: 190023, PtsCount: 1},
			&tg.UpdateReadHistoryInbox{Peer: peer(4), MaxID: 88140, StillUnreadCount: 3, Pts: 190024, PtsCount: 1},
			&tg.UpdateUserStatus{UserID: userID(5), Status: &tg.UserStatusOnline{Expires: date(400)}},
		},
		State: tg.UpdatesState{Pts: 190031, Qts: 0, Date: date(77), Seq: 4410, UnreadCount: 6},
	}
	fill(7, func(i int) { difference.NewMessages = append(difference.NewMessages, message(i)) })
	fill(1, func(i int) { difference.Chats = append(difference.Chats, channel(i)) })
	fill(4, func(i int) { difference.Users = append(difference.Users, user(i)) })

	push := tg.Updates{
		Updates: []tg.UpdateClass{&tg.UpdateNewChannelMessage{Message: message(2), Pts: 190032, PtsCount: 1}},
		Users:   []tg.UserClass{user(2), user(3)},
		Chats:   []tg.ChatClass{channel(0)},
		Date:    date(2),
	}

	send := tg.MessagesSendMessageRequest{
		ClearDraft: true,
		Peer:       &tg.InputPeerUser{UserID: userID(1), AccessHash: hash(1)},
		ReplyTo:    &tg.InputReplyToMessage{ReplyToMsgID: 88107},
		Message:    texts[1],
		RandomID:   hash(99),
		Entities:   entities(1, texts[1]),
	}
	return []payload{
		{"sendMessage", "TL_messages_sendMessage", &send, func() object { return new(tg.MessagesSendMessageRequest) }},
		{"users", "Vector_User", &users, func() object { return new(tg.UserClassVector) }},
		{"push", "Updates", &push, func() object { return new(tg.Updates) }},
		{"difference", "updates_Difference", &difference, func() object { return new(tg.UpdatesDifference) }},
		{"messages", "messages_Messages", &page, func() object { return new(tg.MessagesMessages) }},
	}
}

var texts = []string{
	"Good morning! The build is green again, thanks to everyone who stayed late yesterday.",
	"Can you have a look at https://example.org/tickets/4711 before the meeting? I think the retry loop is wrong.",
	"Да, вижу. Похоже, что таймаут считается дважды — сейчас поправлю и выложу на тестовый стенд.",
	"ok",
	"The new office has a terrace 🌇 and, more important, a coffee machine that works. Photos follow as soon as " +
		"the painters are out; they said Thursday, so let us assume Monday. Parking is behind the building, the code is with Anna.",
	"👍",
	"سأرسل لك الملف بعد قليل، الاتصال بطيء جدا هنا.",
	"Release notes: faster start, fewer reconnects, and the search finally finds messages that are older than a year.",
}

var names = [][2]string{
	{"Anna", "Lindqvist"},
	{"Mehdi", "Karimi"},
	{"Ольга", "Петрова"},
	{"Jun", "Watanabe"},
	{"Marta", ""},
	{"Tom", "O'Brien"},
	{"Lucía", "Fernández"},
}

func userID(i int) int64 { return 5_300_000_017 + int64(i)*7_919_113 }
func date(i int) int     { return 1_767_225_600 + i*611 }

// hash is a number without a pattern, as access hashes and random ids are.
func hash(i int) int64 {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return int64(x ^ x>>32)
}

func blob(i, n int) []byte {
	b := make([]byte, n)
	for k := range b {
		b[k] = byte(hash(i*1000+k/8) >> (k % 8 * 8))
	}
	return b
}

func peer(i int) tg.PeerClass {
	if i%5 == 4 {
		return &tg.PeerChannel{ChannelID: 1_910_000_003 + int64(i)}
	}
	return &tg.PeerUser{UserID: userID(i % 14)}
}

func entities(i int, text string) []tg.MessageEntityClass {
	n := len([]rune(text))
	switch i % 8 {
	case 1:
		return []tg.MessageEntityClass{&tg.MessageEntityURL{Offset: 23, Length: 32}, &tg.MessageEntityItalic{Offset: 82, Length: n - 82}}
	case 4:
		return []tg.MessageEntityClass{&tg.MessageEntityBold{Length: 14}, &tg.MessageEntityCustomEmoji{Offset: 28, Length: 2, DocumentID: hash(i)}}
	case 7:
		return []tg.MessageEntityClass{
			&tg.MessageEntityBold{Length: 14}, &tg.MessageEntityMentionName{Offset: 15, Length: 6, UserID: userID(i % 14)},
			&tg.MessageEntityTextURL{Offset: 30, Length: 16, URL: "https://example.org/notes/2026-01"},
		}
	}
	return nil
}

func message(i int) tg.MessageClass {
	if i%19 == 17 {
		return &tg.MessageService{
			ID: 88100 + i, FromID: peer(i), PeerID: &tg.PeerChannel{ChannelID: 1_910_000_003}, Date: date(i),
			Action: &tg.MessageActionChatAddUser{Users: []int64{userID(i), userID(i + 1)}},
		}
	}
	text := texts[i%len(texts)]
	m := &tg.Message{ID: 88100 + i, Out: i%4 == 0, PeerID: &tg.PeerChannel{ChannelID: 1_910_000_003}, Date: date(i), Message: text}
	m.SetFromID(peer(i))
	if e := entities(i, text); e != nil {
		m.SetEntities(e)
	}
	if i%3 == 1 {
		h := &tg.MessageReplyHeader{}
		h.SetReplyToMsgID(88090 + i)
		m.SetReplyTo(h)
	}
	switch i % 9 {
	case 2:
		m.SetMedia(photo(i))
	case 5:
		m.SetMedia(voice(i))
	case 7:
		m.SetFwdFrom(tg.MessageFwdHeader{FromID: &tg.PeerChannel{ChannelID: 1_720_000_441}, Date: date(i - 500), ChannelPost: 431})
		m.SetViews(18_204 + i)
		m.SetForwards(41)
	case 8:
		page := &tg.WebPage{ID: hash(i), URL: "https://example.org/tickets/4711", DisplayURL: "example.org/tickets/4711"}
		page.SetType("article")
		page.SetSiteName("Example Tracker")
		page.SetTitle("Retry loop counts the timeout twice")
		page.SetDescription("When the first attempt ends by timeout, the second starts with what is left of it twice over.")
		m.SetMedia(&tg.MessageMediaWebPage{Webpage: page})
	}
	if i%4 == 3 {
		r := tg.MessageReactions{CanSeeList: true, Results: []tg.ReactionCount{
			{Reaction: &tg.ReactionEmoji{Emoticon: "👍"}, Count: 4}, {Reaction: &tg.ReactionEmoji{Emoticon: "🔥"}, Count: 1},
		}}
		r.SetRecentReactions([]tg.MessagePeerReaction{{PeerID: peer(1), Date: date(i + 3), Reaction: &tg.ReactionEmoji{Emoticon: "👍"}}})
		m.SetReactions(r)
	}
	if i%6 == 0 {
		m.SetEditDate(date(i + 1))
	}
	return m
}

func photo(i int) tg.MessageMediaClass {
	m := &tg.MessageMediaPhoto{}
	m.SetPhoto(&tg.Photo{
		ID: hash(i), AccessHash: hash(i + 1), FileReference: blob(i, 29), Date: date(i), DCID: 2,
		Sizes: []tg.PhotoSizeClass{
			&tg.PhotoStrippedSize{Type: "i", Bytes: blob(i, 120)},
			&tg.PhotoSize{Type: "m", W: 320, H: 213, Size: 19_442},
			&tg.PhotoSize{Type: "x", W: 800, H: 533, Size: 84_210},
			&tg.PhotoSizeProgressive{Type: "y", W: 1280, H: 853, Sizes: []int{14_201, 38_202, 51_118, 77_900, 161_003}},
		},
	})
	return m
}

func voice(i int) tg.MessageMediaClass {
	audio := &tg.DocumentAttributeAudio{Voice: true, Duration: 14}
	audio.SetWaveform(blob(i, 63))
	m := &tg.MessageMediaDocument{Voice: true}
	m.SetDocument(&tg.Document{
		ID: hash(i), AccessHash: hash(i + 1), FileReference: blob(i, 29), Date: date(i), MimeType: "audio/ogg",
		Size: 54_016, DCID: 2, Attributes: []tg.DocumentAttributeClass{audio},
	})
	return m
}

func user(i int) tg.UserClass {
	u := &tg.User{ID: userID(i), Contact: i%3 == 0, MutualContact: i%6 == 0, Premium: i%4 == 1}
	u.SetAccessHash(hash(i))
	u.SetFirstName(names[i%len(names)][0])
	if last := names[i%len(names)][1]; last != "" {
		u.SetLastName(last)
	}
	if i%2 == 0 {
		u.SetUsername(fmt.Sprintf("member_%04d", i*37))
	}
	if i%3 == 0 {
		u.SetPhone(fmt.Sprintf("4670174%04d", i*131))
	}
	if i%5 != 4 {
		p := &tg.UserProfilePhoto{PhotoID: hash(i + 7), DCID: 2}
		p.SetStrippedThumb(blob(i, 40))
		u.SetPhoto(p)
	}
	u.SetStatus([]tg.UserStatusClass{&tg.UserStatusRecently{}, &tg.UserStatusOffline{WasOnline: date(i)}, &tg.UserStatusOnline{Expires: date(i)}}[i%3])
	if i%4 == 1 {
		u.SetEmojiStatus(&tg.EmojiStatus{DocumentID: hash(i)})
		color := &tg.PeerColor{}
		color.SetColor(i % 7)
		u.SetColor(color)
	}
	return u
}

func channel(i int) tg.ChatClass {
	p := &tg.ChatPhoto{PhotoID: hash(i + 90), DCID: 4}
	p.SetStrippedThumb(blob(i, 40))
	c := &tg.Channel{ID: 1_910_000_003 + int64(i), Megagroup: true, Title: "Office & Builds", Photo: p, Date: date(-9000)}
	c.SetAccessHash(hash(i + 50))
	c.SetUsername("office_builds")
	c.SetDefaultBannedRights(tg.ChatBannedRights{ChangeInfo: true, PinMessages: true, UntilDate: 2147483647})
	c.SetParticipantsCount(214)
	return c
}
