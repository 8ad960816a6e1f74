package tlcmd

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tgsession/tgsession/proto/tl"
)

type question struct {
	Name      string `json:"name"`
	Direction string `json:"direction"`
	Layer     int    `json:"layer"`
	Message   string `json:"message"`
	TL        string `json:"tl_hex"`
	PB        string `json:"pb_hex"`
}

type answer struct {
	Name  string  `json:"name"`
	Out   *string `json:"out_hex,omitempty"`
	Error string  `json:"error,omitempty"`
}

// Transcode answers questions line by line, in order, until the input ends. Answers are flushed whenever no further
// complete line has been read, so that a peer may wait for each.
func Transcode(s *tl.Schema, r io.Reader, w io.Writer) error {
	in, out := bufio.NewReaderSize(r, 1<<20), bufio.NewWriterSize(w, 1<<16)
	t := transcoder{s: s, enc: json.NewEncoder(out)}
	t.enc.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := t.enc.Encode(t.answer(line)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if ready, _ := in.Peek(in.Buffered()); bytes.IndexByte(ready, '\n') < 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

type transcoder struct {
	s       *tl.Schema
	enc     *json.Encoder
	in, out []byte
}

func (t *transcoder) answer(line []byte) answer {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return answer{Name: q.Name, Error: "malformed question: " + err.Error()}
	}
	out, err := t.transcode(&q)
	if err != nil {
		return answer{Name: q.Name, Error: err.Error()}
	}
	text := hex.EncodeToString(out)
	return answer{Name: q.Name, Out: &text}
}

func (t *transcoder) transcode(q *question) ([]byte, error) {
	text := q.TL
	if q.Direction == "pb2tl" {
		text = q.PB
	}
	var err error
	if t.in, err = hex.AppendDecode(t.in[:0], []byte(text)); err != nil {
		return nil, err
	}
	m := t.s.Message(q.Message)
	if m == nil {
		return nil, tl.UnknownMessageError{Message: q.Message}
	}
	switch q.Direction {
	case "pb2tl":
		t.out, err = t.s.Encode(t.out[:0], m, t.in, q.Layer)
		return t.out, err
	case "tl2pb":
		var n int
		t.out, n, err = t.s.Decode(t.out[:0], m, t.in)
		if err == nil && n < len(t.in) {
			err = tl.TrailingError{Offset: n, Bytes: len(t.in) - n}
		}
		return t.out, err
	}
	return nil, fmt.Errorf("unknown direction %q", q.Direction)
}
