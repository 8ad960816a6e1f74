package tlcmd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"time"

	"github.com/tgsession/tgsession/proto/tl"
)

// services are the constructors that carry other messages: https://core.telegram.org/mtproto/service_messages. They
// have no place in the table sets, because they never become protobuf.
var services = map[uint32]func(p *printer, label string) error{}

func init() { // not a literal: the functions refer back to the map
	services[0x73f1f8dc] = (*printer).container
	services[0xf35c6d01] = (*printer).rpcResult
	services[0x3072cfa1] = (*printer).gzipPacked
	services[0xe06046b2] = (*printer).messageCopy
}

func (p *printer) container(label string) error {
	n, err := p.u32()
	if err != nil {
		return err
	}
	p.line("%smsg_container#73f1f8dc, %d", label, n)
	return p.nested(func() error {
		for i := range n {
			if err := p.message(fmt.Sprintf("%d: ", i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// message prints a bare message: msg_id, seqno, bytes, body. A body that cannot be read does not hide the next message.
func (p *printer) message(label string) error {
	id, err := p.u64()
	if err != nil {
		return err
	}
	seq, err := p.u32()
	if err != nil {
		return err
	}
	size, err := p.u32()
	if err != nil {
		return err
	}
	p.line("%smessage msg_id=%s seqno=%d bytes=%d", label, msgID(id), seq, size)
	body, err := p.take(int(size))
	if err != nil {
		return err
	}
	return p.within(body)
}

// within prints the objects of a body of its own.
func (p *printer) within(body []byte) error {
	inner := *p
	inner.in, inner.pos = body, 0
	return inner.nested(func() error {
		for inner.pos < len(inner.in) {
			if err := inner.object(""); err != nil {
				inner.line("! %v", err)
				inner.line("! %d bytes left: %s", len(inner.in)-inner.pos, hexOf(inner.in[inner.pos:]))
				break
			}
		}
		return nil
	})
}

func (p *printer) rpcResult(label string) error {
	id, err := p.u64()
	if err != nil {
		return err
	}
	p.line("%srpc_result#f35c6d01 req_msg_id=%s", label, msgID(id))
	return p.nested(func() error { return p.object("") })
}

func (p *printer) messageCopy(label string) error {
	p.line("%smsg_copy#e06046b2", label)
	return p.nested(func() error { return p.message("") })
}

func (p *printer) gzipPacked(label string) error {
	packed, err := p.str()
	if err != nil {
		return err
	}
	p.line("%sgzip_packed#3072cfa1, %d bytes", label, len(packed))
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(z, int64(*p.unpack)+1))
	if err != nil {
		return err
	}
	if len(body) > *p.unpack {
		return tl.LimitError{What: "gzip_packed", Offset: p.pos}
	}
	*p.unpack -= len(body)
	return p.within(body)
}

// msgID prints a message identifier with the time it carries.
func msgID(id uint64) string {
	t := time.Unix(int64(id>>32), 0).UTC()
	return fmt.Sprintf("%d (%s)", id, t.Format(time.DateTime))
}
