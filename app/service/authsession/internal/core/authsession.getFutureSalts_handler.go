package core

import (
	"github.com/tgsession/tgsession/app/service/authsession/internal/salts"
	"github.com/tgsession/tgsession/proto/authsession"
	"github.com/tgsession/tgsession/proto/mtproto"
)

// AuthsessionGetFutureSalts returns salts of a known key: num of them (0: 32,
// at most 64) and, in front, the one whose window has ended last if it is
// still good. There is always an answer while the key can be read.
func (c *Core) AuthsessionGetFutureSalts(in *authsession.TLAuthsessionGetFutureSalts) (*mtproto.FutureSalts, error) {
	k, err := c.key("getFutureSalts", in.AuthKeyId)
	if err != nil {
		return nil, err
	}
	list := c.dao().Salts(c.ctx, k, salts.Count(in.Num))
	out := &mtproto.FutureSalts{Salts: make([]*mtproto.TLFutureSalt, len(list))}
	for i, s := range list {
		out.Salts[i] = &mtproto.TLFutureSalt{Data2: &mtproto.FutureSalt{
			PredicateName: "future_salt",
			Constructor:   mtproto.TLConstructor_CRC32_future_salt,
			ValidSince:    int32(s.ValidSince),
			ValidUntil:    int32(s.ValidUntil),
			Salt:          s.Value,
		}}
	}
	return out, nil
}
