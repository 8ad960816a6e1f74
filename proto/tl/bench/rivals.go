package main

import (
	"fmt"

	"github.com/gotd/td/bin"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/tgsession/tgsession/proto/tl"
)

// contestant does one thing to one payload, again and again.
type contestant struct {
	name string
	run  func() error
}

// Names of the contestants.
const (
	toProto = "tl -> pb"
	toTL    = "pb -> tl"
	gotd    = "gotd"
	dynTo   = "dynamicpb ->"
	dynFrom = "<- dynamicpb"
	memmove = "memmove"
)

// contestants prepares everyone for a payload, and checks that they agree on it.
func contestants(s *tl.Schema, d protoreflect.MessageDescriptor, p *payload) (tlBytes []byte, all []contestant, err error) {
	var b bin.Buffer
	if err := p.value.Encode(&b); err != nil {
		return nil, nil, err
	}
	in := b.Raw()
	m := s.Message(p.message)
	pb, n, err := s.Decode(nil, m, in)
	if err != nil || n != len(in) {
		return nil, nil, fmt.Errorf("%s: %d of %d bytes: %w", p.name, n, len(in), err)
	}
	back, err := s.Encode(nil, m, pb, s.MaxLayer())
	if err != nil || string(back) != string(in) {
		return nil, nil, fmt.Errorf("%s does not come back: %w", p.name, err)
	}
	var (
		again     bin.Buffer
		marshaled []byte
		options   = proto.MarshalOptions{}
		copied    = make([]byte, len(in))
	)
	all = []contestant{
		{toProto, func() (err error) {
			pb, _, err = s.Decode(pb[:0], m, in)
			return err
		}},
		{toTL, func() (err error) {
			back, err = s.Encode(back[:0], m, pb, s.MaxLayer())
			return err
		}},
		{gotd, func() error {
			v := p.fresh()
			if err := v.Decode(&bin.Buffer{Buf: in}); err != nil {
				return err
			}
			again.Reset()
			return v.Encode(&again)
		}},
		{dynTo, func() (err error) {
			v := dynamicpb.NewMessage(d)
			if err := proto.Unmarshal(pb, v); err != nil {
				return err
			}
			marshaled, err = options.MarshalAppend(marshaled[:0], v)
			return err
		}},
		{dynFrom, func() error {
			v := dynamicpb.NewMessage(d)
			if err := proto.Unmarshal(pb, v); err != nil {
				return err
			}
			walk(v)
			return nil
		}},
		{memmove, func() error {
			copy(copied, in)
			return nil
		}},
	}
	for _, c := range all {
		if err := c.run(); err != nil {
			return nil, nil, fmt.Errorf("%s, %s: %w", p.name, c.name, err)
		}
	}
	if string(again.Raw()) != string(in) {
		return nil, nil, fmt.Errorf("%s: gotd gives other bytes", p.name)
	}
	if len(marshaled) != len(pb) { // the order of fields may differ
		return nil, nil, fmt.Errorf("%s: dynamicpb gives %d bytes for %d", p.name, len(marshaled), len(pb))
	}
	return in, all, nil
}

// walk visits every value of a message, as a writer of TL would.
func walk(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for l, i := v.List(), 0; i < l.Len(); i++ {
				walk(l.Get(i).Message())
			}
		case f.Message() != nil:
			walk(v.Message())
		}
		return true
	})
}
