// Command gotd is gotd/td as a client program of the client matrix: JSON lines
// in, JSON lines out (package clients describes them). API calls, uploads and
// downloads go through a pool of connections, each with a session of its own.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// maxLine bounds a request, in bytes.
const maxLine = 1 << 20

type request struct {
	ID   int64           `json:"id"`
	Do   string          `json:"do"`
	Args json.RawMessage `json:"args"`
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type answer struct {
	ID    int64    `json:"id"`
	OK    any      `json:"ok,omitempty"`
	Error *failure `json:"error,omitempty"`
}

type event struct {
	Event string `json:"event"`
	From  int64  `json:"from,omitempty"`
	Text  string `json:"text,omitempty"`
}

func main() {
	if err := serve(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gotd:", err)
		os.Exit(1)
	}
}

// serve answers requests, side by side, until "stop" or the end of in.
func serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	w := &lines{out: out}
	c := &client{say: w.write, peers: map[int64]*tg.InputPeerUser{}}
	defer func() {
		cancel()
		c.stop()
		asked.Wait()
	}()
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	for s.Scan() {
		var r request
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		if r.Do == "stop" {
			w.write(answer{ID: r.ID, OK: struct{}{}})
			return nil
		}
		asked.Go(func() {
			ok, err := c.do(ctx, r)
			w.write(answered(r.ID, ok, err))
		})
	}
	return s.Err()
}

func answered(id int64, ok any, err error) answer {
	if err == nil {
		return answer{ID: id, OK: ok}
	}
	var rpc *tgerr.Error
	if errors.As(err, &rpc) {
		return answer{ID: id, Error: &failure{rpc.Code, rpc.Message}}
	}
	return answer{ID: id, Error: &failure{Message: err.Error()}}
}

// lines writes whole lines.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) write(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types always marshal
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.out.Write(append(b, '\n')) // who does not listen has left
}
