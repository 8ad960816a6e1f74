package program

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxLine bounds a line that a program writes, in bytes.
	maxLine = 1 << 20
	// writeTimeout bounds how long a program may leave its input unread.
	writeTimeout = 10 * time.Second
	// maxTexts bounds the different texts of which it is known how often they
	// came; more end the process, since something repeats without end.
	maxTexts = 1 << 16
)

// Spec says how to start a process.
type Spec struct {
	Manifest *Manifest
	// Bin is the folder given to Prepare.
	Bin string
	// Log is the file that standard error, and events of the kind "log", are
	// appended to.
	Log string
	// Skew is how much the clock of the process is ahead.
	Skew time.Duration
	// SkewScript is the script for ClockNode.
	SkewScript string
	// Message hears of each message as it comes, one call at a time. It must
	// not wait. Nil: nobody does.
	Message func(from int64, text string)
	// Happened hears of each event by its kind, in the same way.
	Happened func(event string)
}

// Process is a running client program. It is safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	spec  Spec
	log   *os.File
	done  chan struct{}
	err   error // valid once done is closed
	write sync.Mutex
	stdin *os.File

	mu      sync.Mutex
	last    int64
	waiting map[int64]chan answer
	changed chan struct{} // closed at each event
	texts   map[string]int
	counts  map[string]int // events by kind
}

// request, answer and event are the lines; an answer and an event are told
// apart by their fields.
type request struct {
	ID   int64  `json:"id"`
	Do   string `json:"do"`
	Args any    `json:"args"`
}

type answer struct {
	OK    json.RawMessage `json:"ok"`
	Error *CallError      `json:"error"`
}

type line struct {
	ID int64 `json:"id"`
	answer
	Event string `json:"event"`
	From  int64  `json:"from"`
	Text  string `json:"text"`
	Line  string `json:"line"`
}

// CallError is a program's answer of failure.
type CallError struct {
	// Code is that of an rpc_error; 0: there was none.
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *CallError) Error() string {
	if e.Code == 0 {
		return e.Message
	}
	return fmt.Sprintf("%d %s", e.Code, e.Message)
}

const unsupported = "unsupported"

// Unsupported tells whether a program said that its library has no such
// thing, and why.
func Unsupported(err error) (why string, ok bool) {
	var e *CallError
	if !errors.As(err, &e) || e.Code != 0 || !strings.HasPrefix(e.Message, unsupported) {
		return "", false
	}
	return strings.TrimLeft(strings.TrimPrefix(e.Message, unsupported), ": "), true
}

// ErrNoClock is returned by Start when the program has no way to a wrong clock.
var ErrNoClock = errors.New("the program cannot be given a wrong clock")

// Start starts a program. It is to be closed.
func Start(spec Spec) (*Process, error) {
	args := expand(spec.Manifest.Run, spec.Bin)
	p := &Process{
		cmd: exec.Command(args[0], args[1:]...), spec: spec, done: make(chan struct{}), changed: make(chan struct{}),
		waiting: map[int64]chan answer{}, texts: map[string]int{}, counts: map[string]int{},
	}
	env, err := skewed(spec)
	if err != nil {
		return nil, err
	}
	if p.log, err = os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return nil, err
	}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = spec.Manifest.dir, append(os.Environ(), env...), p.log
	// A group of its own: Ctrl-C at the terminal is the runner's to handle.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.start(); err != nil {
		_ = p.log.Close()
		return nil, err
	}
	return p, nil
}

func (p *Process) start() error {
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stdin, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	p.cmd.Stdin, p.stdin = stdin, write
	if err := p.cmd.Start(); err != nil {
		_ = write.Close()
		return err
	}
	go p.run(stdout)
	return nil
}

// run reads what the program says until it has ended.
func (p *Process) run(stdout io.Reader) {
	defer close(p.done)
	defer p.log.Close()
	err := p.read(stdout)
	if err != nil {
		p.kill()
	}
	p.err = errors.Join(err, p.cmd.Wait())
}

func (p *Process) read(stdout io.Reader) error {
	in := bufio.NewScanner(stdout)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return fmt.Errorf("a line that is no JSON: %.200q: %w", in.Text(), err)
		}
		if l.Event == "" {
			p.answered(l)
			continue
		}
		if err := p.happened(l); err != nil {
			return err
		}
	}
	return in.Err()
}

func (p *Process) answered(l line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, ok := p.waiting[l.ID]; ok {
		delete(p.waiting, l.ID)
		w <- l.answer
	}
}

func (p *Process) happened(l line) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[l.Event]++
	if p.spec.Happened != nil {
		p.spec.Happened(l.Event)
	}
	switch l.Event {
	case "log":
		_, _ = fmt.Fprintln(p.log, l.Line)
	case "message":
		if p.texts[l.Text]++; len(p.texts) > maxTexts {
			return errors.New("messages without end")
		}
		if p.spec.Message != nil {
			p.spec.Message(l.From, l.Text)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

// ErrEnded is returned where a program has ended that should run.
var ErrEnded = errors.New("the program has ended")

func (p *Process) ended() error {
	if p.err == nil {
		return ErrEnded
	}
	return fmt.Errorf("%w: %w", ErrEnded, p.err)
}

// Do asks the program for something and waits for the answer, which is put
// into out unless that is nil.
func (p *Process) Do(ctx context.Context, what string, args, out any) error {
	w := make(chan answer, 1)
	p.mu.Lock()
	p.last++
	id := p.last
	p.waiting[id] = w
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, id)
	}()
	if args == nil {
		args = struct{}{}
	}
	if err := p.send(request{id, what, args}); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	select {
	case a := <-w:
		switch {
		case a.Error != nil:
			return fmt.Errorf("%s: %w", what, a.Error)
		case out == nil:
			return nil
		}
		if err := json.Unmarshal(a.OK, out); err != nil {
			return fmt.Errorf("%s: answer %.200s: %w", what, a.OK, err)
		}
		return nil
	case <-p.done:
		return fmt.Errorf("%s: %w", what, p.ended())
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer: %w", what, ctx.Err())
	}
}

func (p *Process) send(r request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	p.write.Lock()
	defer p.write.Unlock()
	if err := p.stdin.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = p.stdin.Write(append(b, '\n'))
	return err
}

// Received tells how often a message of that text has come.
func (p *Process) Received(text string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.texts[text]
}

// Repeated lists the texts that came more than once.
func (p *Process) Repeated() (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, n := range p.texts {
		if n > 1 {
			texts = append(texts, text)
		}
	}
	return texts
}

// Count tells how many events of a kind there were.
func (p *Process) Count(event string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[event]
}

// AwaitText returns when a message of that text has come.
func (p *Process) AwaitText(ctx context.Context, text string) error {
	return p.await(ctx, func() bool { return p.texts[text] > 0 })
}

// AwaitEvent returns when there were more than so many events of a kind.
func (p *Process) AwaitEvent(ctx context.Context, event string, more int) error {
	return p.await(ctx, func() bool { return p.counts[event] > more })
}

// await returns when cond, evaluated under the lock, holds.
func (p *Process) await(ctx context.Context, cond func() bool) error {
	for {
		p.mu.Lock()
		ok, changed := cond(), p.changed
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the program: by the command "stop" and the end of its input
// within grace, else by SIGKILL, which is an error.
func (p *Process) Close(grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = p.Do(ctx, "stop", nil, nil) // it ends either way
	_ = p.stdin.Close()
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("it did not stop within %s", grace)
	}
}

// Kill ends the program by SIGKILL, as a crash does.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may be another's by now
	default:
		p.kill()
		<-p.done
	}
	_ = p.stdin.Close()
}

// kill ends the group: a program may have children.
func (p *Process) kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
