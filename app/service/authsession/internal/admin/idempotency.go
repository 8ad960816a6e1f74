package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/zeromicro/go-zero/core/logx"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/tgsession/tgsession/app/service/authsession/internal/admin/audit"
	"github.com/tgsession/tgsession/app/service/authsession/internal/rpcerr"
)

// Headers of REST, and metadata of gRPC.
const (
	idempotencyKey      = "idempotency-key"
	idempotencyReplayed = "idempotency-replayed"
)

// replayed stands in the audit log for a call that was answered as one before it.
const replayed = "replayed"

// keyed is a change that came with an idempotency key, or, where key is empty,
// without one.
type keyed struct {
	g      *guard
	caller string
	key    []string
}

// claim notes that the call begins. It returns the answer of the call that has done
// the same before, if one has, or why this one is not done.
func (k keyed) claim(ctx context.Context, name string, in proto.Message) (out proto.Message, r *refusal) {
	if len(k.key) == 0 {
		return nil, nil
	}
	if key := k.key[0]; len(k.key) > 1 || key == "" || len(key) > audit.MaxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, &refusal{answer: rpcerr.ErrKeyMalformed}
	}
	request, err := proto.MarshalOptions{Deterministic: true}.Marshal(in)
	var answer []byte
	if err == nil {
		answer, err = k.g.log.Claim(ctx, k.caller, k.key[0], append([]byte(name+"\n"), request...))
	}
	if err == nil && answer != nil {
		out, err = unpack(answer)
	}
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, audit.ErrKeyReused):
		return nil, &refusal{answer: rpcerr.ErrKeyReused}
	case errors.Is(err, audit.ErrUnderWay):
		return nil, &refusal{answer: rpcerr.ErrKeyUnderWay}
	}
	lost.Inc()
	logx.WithContext(ctx).Errorf("admin API: %s by %s was not done: %v", name, k.caller, err)
	return nil, &refusal{answer: rpcerr.ErrKeysUnwritable}
}

// end keeps the answer of a call that has succeeded. One that has failed may be
// repeated with its key, and does what is left.
func (k keyed) end(ctx context.Context, out proto.Message, err error) {
	if len(k.key) == 0 {
		return
	}
	if err == nil {
		var answer []byte
		if answer, err = pack(out); err == nil {
			err = k.g.log.Keep(ctx, k.caller, k.key[0], answer)
		}
	} else {
		err = k.g.log.Free(ctx, k.caller, k.key[0])
	}
	if err != nil {
		logx.WithContext(ctx).Errorf("admin API: the answer to a call of %s is not kept: %v", k.caller, err)
	}
}

// pack gives an answer the form in which it is kept.
func pack(out proto.Message) ([]byte, error) {
	box, err := anypb.New(out)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(box)
}

func unpack(answer []byte) (proto.Message, error) {
	var box anypb.Any
	if err := proto.Unmarshal(answer, &box); err != nil {
		return nil, err
	}
	return box.UnmarshalNew()
}
