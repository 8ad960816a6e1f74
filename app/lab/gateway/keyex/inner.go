package keyex

import (
	"github.com/gotd/td/bin"
	"github.com/gotd/td/crypto"
	"github.com/gotd/td/mt"
)

// dc is the id by which clients ask for this data centre.
func (s *Server) dc() int {
	if s.cfg.Test {
		return s.cfg.DC + 10000
	}
	return s.cfg.DC
}

// decrypt returns p_q_inner_data, and perhaps padding behind it. Clients of
// today use RSA_PAD (KEY-8); those that were written before 2021 send SHA1(data)
// + data + random bytes in its place, and would not get a key (KEY-9).
func (s *Server) decrypt(encrypted []byte) ([]byte, error) {
	data, err := crypto.DecodeRSAPad(encrypted, s.cfg.Key)
	if err == nil {
		return data, nil
	}
	if data, oldErr := crypto.RSADecryptHashed(encrypted, s.cfg.Key); oldErr == nil {
		return data, nil
	}
	return nil, err
}

// innerData is any form of p_q_inner_data (KEY-10).
type innerData struct {
	mt.PQInnerDataTempDC
	temporary bool // else ExpiresIn is 0
	anyDC     bool // an older form, which names no data centre
}

// innerTemp is p_q_inner_data_temp, which gotd does not know: p_q_inner_data
// with expires_in behind it.
const innerTemp = 0x3c6a84d4

func readInner(data []byte) (in innerData, err error) {
	b := &bin.Buffer{Buf: data}
	id, err := b.PeekID()
	if err != nil {
		return in, err
	}
	switch id {
	case mt.PQInnerDataTempDCTypeID:
		in.temporary = true
		err = in.Decode(b)
	case mt.PQInnerDataDCTypeID:
		var d mt.PQInnerDataDC
		err = d.Decode(b)
		in.Pq, in.P, in.Q, in.Nonce, in.ServerNonce, in.NewNonce, in.DC = d.Pq, d.P, d.Q, d.Nonce, d.ServerNonce, d.NewNonce, d.DC
	case mt.PQInnerDataTypeID, innerTemp:
		in.temporary, in.anyDC = id == innerTemp, true
		b.Skip(bin.Word)
		var d mt.PQInnerData
		err = d.DecodeBare(b)
		in.Pq, in.P, in.Q, in.Nonce, in.ServerNonce, in.NewNonce = d.Pq, d.P, d.Q, d.Nonce, d.ServerNonce, d.NewNonce
		if err == nil && in.temporary {
			in.ExpiresIn, err = b.Int()
		}
	default:
		err = bin.NewUnexpectedID(id)
	}
	return in, err
}
