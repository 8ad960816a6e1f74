package sim

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
	"github.com/tgsession/tgsession/app/internal/passthrough"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/session"
	"github.com/tgsession/tgsession/proto/tl"
)

// callID names a call as a client made it.
type callID struct{ key, session, msg int64 }

// outcome is what a BFF answered to a call: an object, or an error.
type outcome struct {
	at     int64 // when it was found out
	object []byte
	code   int32
	text   string
}

const (
	needPassword = "SESSION_PASSWORD_NEEDED"
	bindInvalid  = "ENCRYPTED_MESSAGE_INVALID"
	permEmpty    = "AUTH_KEY_PERM_EMPTY" // the answer to calls of a temp key that is not bound
)

// bff serves the API: what it answers says whom it was asked by.
type bff struct {
	c      *cluster
	byPath map[string]*tl.Method
	given  map[callID][]outcome
	nobody map[callID]bool // calls that were made without a login
}

func newBFF(c *cluster) *bff {
	b := &bff{c: c, byPath: map[string]*tl.Method{}, given: map[callID][]outcome{}, nobody: map[callID]bool{}}
	for _, name := range []string{anyone, state, member, signIn, secret, logOut, register} {
		m := c.schema.MethodByName(name)[0]
		b.byPath[m.Path] = m
	}
	return b
}

// serve answers a call, after a while.
func (b *bff) serve(ctx context.Context, path string, in any) (any, error) {
	md, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	m := b.byPath[path]
	if m == nil {
		return nil, status.Error(codes.Unimplemented, path)
	}
	id := callID{md.GetAuthId(), md.GetSessionId(), md.GetClientMsgId()}
	b.c.note("bff", m.Name, id.key, id.session, id.msg)
	b.c.watch.invoked(m, md)
	b.nobody[id] = md.GetUserId() == 0
	b.c.watch.taken(m, in)
	work := b.c.between(0, 60*time.Millisecond)
	bad := !b.c.healed && !b.c.besieged
	switch {
	case b.c.ownerOf(md.GetPermAuthKeyId()) == outsider:
		work = b.c.between(0, 5*time.Millisecond)
	case b.c.besieged && b.c.chance(12):
		work = b.c.between(0, 2*time.Second)
	}
	if bad && b.c.chance(8) {
		work = b.c.between(0, 7*time.Second)
	}
	if !b.c.sleep(work) {
		return nil, errUnavailable
	}
	o := b.work(m, md, id)
	o.at = b.c.now
	if bad && o.code == 0 && m.Name != signIn && m.Name != secret && m.Name != logOut {
		switch n := b.c.rnd.IntN(60); {
		case n < 3:
			o = outcome{code: 400, text: "SIMULATED"}
		case n < 5:
			o = outcome{code: 420, text: "FLOOD_WAIT_7"}
		case n < 7:
			return nil, status.Error(codes.ResourceExhausted, "busy")
		case n < 11:
			b.given[id] = append(b.given[id], o)
			b.promise(md, o)
			return nil, status.Error(700, "NOTRETURN_CLIENT")
		}
	}
	b.given[id] = append(b.given[id], o)
	if o.code != 0 {
		return nil, status.Error(codes.Code(o.code), o.text)
	}
	return b.encode(m, md, o.object)
}

// work is what a method does.
func (b *bff) work(m *tl.Method, md *metadata.RpcMetadata, id callID) outcome {
	perm := md.GetPermAuthKeyId()
	switch m.Name {
	case signIn:
		user := b.c.ownerOf(perm)
		if user == 0 {
			return outcome{code: 400, text: "PHONE_CODE_INVALID"}
		}
		b.c.storage.bind(perm, user)
		if hasPassword(user) {
			if l := b.c.storage.logins[perm]; l != nil {
				l.asked = true
			}
			return outcome{code: 401, text: fmt.Sprintf("%s_%d", needPassword, user)}
		}
		return outcome{object: appendID(nil, idAuthorization)}
	case secret:
		l := b.c.storage.logins[perm]
		if l == nil {
			return outcome{code: 401, text: "AUTH_KEY_UNREGISTERED"}
		}
		b.c.note("bff", "accepts a password", perm)
		l.checked, l.asked = true, false
		return outcome{object: appendID(nil, idAuthorization)}
	case logOut:
		b.c.storage.unbind(perm)
		return outcome{object: appendInt(appendID(nil, idLoggedOut), 0)}
	}
	size := 0
	if b.c.chance(10) {
		size = b.c.rnd.IntN(6000)
	}
	if b.c.ownerOf(perm) == outsider {
		size = 6001 // which does not shrink
	}
	b.c.answers++
	tag := fmt.Sprintf("%x/%x/%x/%d", id.key, id.session, id.msg, b.c.answers)
	return outcome{object: object(m.Name, tag, size)}
}

func (b *bff) encode(m *tl.Method, md *metadata.RpcMetadata, object []byte) (any, error) {
	if m.Name == signIn || m.Name == secret {
		user := pb(b.c.schema, "User", "userEmpty", field{name: "id", value: b.c.storage.userOf(md.GetPermAuthKeyId())})
		return passthrough.Frame(pb(b.c.schema, "auth_Authorization", "auth_authorization", field{name: "user", object: user})), nil
	}
	out, _, err := b.c.schema.Decode(nil, m.Reply, object)
	if err != nil {
		panic(fmt.Sprintf("sim: %s: %v", m.Name, err))
	}
	return passthrough.Frame(out), nil
}

// promise has sync bring an answer later, perhaps.
func (b *bff) promise(md *metadata.RpcMetadata, o outcome) {
	b.c.after(b.c.between(0, 4*time.Second), func() {
		result := append(wire.AppendResult(nil, md.GetClientMsgId()), o.object...)
		b.c.call(md.GetServerId(), &session.TLSessionPushRpcResultData{
			PermAuthKeyId: md.GetPermAuthKeyId(), AuthKeyId: md.GetPermAuthKeyId(), SessionId: md.GetSessionId(),
			ClientReqMsgId: md.GetClientMsgId(), RpcResultData: result,
		}, false, func(error) {})
	})
}

// caller reads the header that names who calls.
func caller(ctx context.Context) (*metadata.RpcMetadata, error) {
	header, _ := grpcmetadata.FromOutgoingContext(ctx)
	values := header.Get("rpc_metadata")
	if len(values) != 1 {
		return nil, status.Error(codes.InvalidArgument, "no rpc_metadata")
	}
	raw, err := base64.StdEncoding.DecodeString(values[0])
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	md := new(metadata.RpcMetadata)
	return md, proto.Unmarshal(raw, md)
}
