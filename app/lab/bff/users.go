package bff

import (
	"context"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

func (s *Server) registerUsers() {
	s.methods.OnUsersGetUsers(s.getUsers)
	s.methods.OnUsersGetFullUser(s.getFullUser)
	s.methods.OnContactsGetContacts(s.getContacts)
	s.methods.OnContactsImportContacts(s.importContacts)
	s.methods.OnContactsResolvePhone(s.resolvePhone)
}

func (s *Server) getUsers(ctx context.Context, ids []tg.InputUserClass) ([]tg.UserClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	var out []tg.UserClass
	for _, id := range ids {
		if a := s.inputUser(me, id); a != nil { // unknown ones are left out
			out = append(out, a.user(me))
		}
	}
	return out, nil
}

func (s *Server) getFullUser(ctx context.Context, id tg.InputUserClass) (*tg.UsersUserFull, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	a := s.inputUser(me, id)
	if a == nil {
		return nil, tgerr.New(400, "USER_ID_INVALID")
	}
	return &tg.UsersUserFull{
		FullUser: tg.UserFull{ID: a.id},
		Users:    []tg.UserClass{a.user(me)},
	}, nil
}

func (s *Server) getContacts(ctx context.Context, _ int64) (tg.ContactsContactsClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	out := &tg.ContactsContacts{}
	for _, a := range s.store.others(me) {
		out.Contacts = append(out.Contacts, tg.Contact{UserID: a.id, Mutual: true})
		out.Users = append(out.Users, a.user(me))
	}
	out.SavedCount = len(out.Contacts)
	return out, nil
}

// importContacts tells who of the given phone numbers has an account; there is
// nothing to keep, since all are contacts of each other.
func (s *Server) importContacts(ctx context.Context, contacts []tg.InputPhoneContact) (*tg.ContactsImportedContacts, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	out := &tg.ContactsImportedContacts{}
	for _, c := range contacts {
		if a := s.store.byPhone(digits(c.Phone)); a != nil {
			out.Imported = append(out.Imported, tg.ImportedContact{UserID: a.id, ClientID: c.ClientID})
			out.Users = append(out.Users, a.user(me))
		}
	}
	return out, nil
}

func (s *Server) resolvePhone(ctx context.Context, phone string) (*tg.ContactsResolvedPeer, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	a := s.store.byPhone(digits(phone))
	if a == nil {
		return nil, tgerr.New(400, "PHONE_NOT_OCCUPIED")
	}
	return &tg.ContactsResolvedPeer{Peer: &tg.PeerUser{UserID: a.id}, Users: []tg.UserClass{a.user(me)}}, nil
}

// inputUser finds whom a client means; nil when there is none.
func (s *Server) inputUser(me *account, in tg.InputUserClass) *account {
	switch in := in.(type) {
	case *tg.InputUserSelf:
		return me
	case *tg.InputUser:
		return s.store.account(in.UserID)
	case *tg.InputUserFromMessage:
		return s.store.account(in.UserID)
	default:
		return nil
	}
}

// inputPeer finds whose dialog a client means; nil when there is none.
func (s *Server) inputPeer(me *account, in tg.InputPeerClass) *account {
	switch in := in.(type) {
	case *tg.InputPeerSelf:
		return me
	case *tg.InputPeerUser:
		return s.store.account(in.UserID)
	case *tg.InputPeerUserFromMessage:
		return s.store.account(in.UserID)
	default:
		return nil
	}
}
