// Package core answers the calls of authsession.RPCAuthsession and of
// authsession.RPCSessionManager, one file each.
package core

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/zeromicro/go-zero/core/logx"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/tgsession/tgsession/app/service/authsession/internal/dao"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
	"github.com/tgsession/tgsession/app/service/authsession/internal/sessions"
	"github.com/tgsession/tgsession/app/service/authsession/internal/svc"
	"github.com/tgsession/tgsession/proto/metadata"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// Core answers one call.
type Core struct {
	ctx    context.Context
	svcCtx *svc.ServiceContext
	logx.Logger
}

// New returns a Core for the call that ctx belongs to.
func New(ctx context.Context, svcCtx *svc.ServiceContext) *Core {
	return &Core{ctx: ctx, svcCtx: svcCtx, Logger: logx.WithContext(ctx)}
}

func (c *Core) dao() *dao.Dao              { return c.svcCtx.Dao }
func (c *Core) manager() *sessions.Manager { return c.svcCtx.Manager }

// fault turns an error of the store into the answer: a key that is not there
// is 401, anything else 500, with the cause in the log alone. Never the other
// way round: a fault answered with 401 logs clients out.
func (c *Core) fault(call string, err error) error {
	if errors.Is(err, dao.ErrNotFound) {
		return rpcerr.ErrKeyUnregistered
	}
	c.Errorf("%s: %v", call, err)
	return rpcerr.ErrInternal
}

// key returns the key with the given id.
func (c *Core) key(call string, id int64) (*dao.Key, error) {
	if id == 0 { // no key has this id; callers without a key send it
		return nil, rpcerr.ErrKeyUnregistered
	}
	k, err := c.dao().Key(c.ctx, id)
	if err != nil {
		return nil, c.fault(call, err)
	}
	return k, nil
}

// perm resolves a key id to its perm key's.
func (c *Core) perm(call string, id int64) (int64, error) {
	k, err := c.key(call, id)
	if err != nil {
		return 0, err
	}
	if k.PermAuthKeyID == 0 {
		return 0, rpcerr.ErrKeyPermEmpty
	}
	return k.PermAuthKeyID, nil
}

// login resolves a key id to what is known of its perm key.
func (c *Core) login(call string, id int64) (perm int64, l *dao.Login, err error) {
	if id == 0 {
		return 0, nil, rpcerr.ErrKeyUnregistered
	}
	k, l, err := c.dao().LoginOf(c.ctx, id)
	switch {
	case err != nil:
		return 0, nil, c.fault(call, err)
	case k.PermAuthKeyID == 0:
		return 0, nil, rpcerr.ErrKeyPermEmpty
	}
	return k.PermAuthKeyID, l, nil
}

// ownKey is the perm key of the client that waits for this call's answer,
// where rpc_metadata names it, else 0. Its session node is not told that its
// login has ended: the answer could not be delivered. (A stock BFF names none;
// who deletes an account is told 401 instead of true.)
func (c *Core) ownKey() int64 { return rpcMetadata(c.ctx).GetPermAuthKeyId() }

// rpcMetadata is the header that session sends with a client's call; nil when
// there is none (a stock session sends none) or it cannot be read.
func rpcMetadata(ctx context.Context) *metadata.RpcMetadata {
	values := grpcmetadata.ValueFromIncomingContext(ctx, "rpc_metadata")
	if len(values) == 0 {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(values[0])
	if err != nil {
		return nil
	}
	md := new(metadata.RpcMetadata)
	if proto.Unmarshal(raw, md) != nil {
		return nil
	}
	return md
}

func boolTrue() *mtproto.Bool {
	return &mtproto.Bool{PredicateName: "boolTrue", Constructor: mtproto.TLConstructor_CRC32_boolTrue}
}

func boolFalse() *mtproto.Bool {
	return &mtproto.Bool{PredicateName: "boolFalse", Constructor: mtproto.TLConstructor_CRC32_boolFalse}
}
