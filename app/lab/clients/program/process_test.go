package program_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/internal/leaktest"
	"github.com/tgsession/tgsession/app/lab/clients/program"
)

// The test binary plays the program.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "play" {
		play()
		return
	}
	leaktest.Strict(m)
}

func play() {
	var held string // a request that is answered after the next one
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r struct {
			ID   int64           `json:"id"`
			Do   string          `json:"do"`
			Args json.RawMessage `json:"args"`
		}
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			panic(err)
		}
		answer := func(ok string) { fmt.Printf("{\"id\":%d,\"ok\":%s}\n", r.ID, ok) }
		switch r.Do {
		case "echo":
			answer(string(r.Args))
		case "hold":
			held = fmt.Sprintf("{\"id\":%d,\"ok\":{\"was\":\"held\"}}\n", r.ID)
			fmt.Println(`{"event":"held"}`)
		case "release":
			answer(`{"was":"quick"}`)
			fmt.Print(held)
		case "refuse":
			fmt.Printf("{\"id\":%d,\"error\":{\"code\":401,\"message\":\"AUTH_KEY_UNREGISTERED\"}}\n", r.ID)
		case "lack":
			fmt.Printf("{\"id\":%d,\"error\":{\"code\":0,\"message\":\"unsupported: no such thing\"}}\n", r.ID)
		case "hear":
			fmt.Println(`{"event":"message","from":7,"text":"hello"}`)
			fmt.Println(`{"event":"message","from":7,"text":"hello"}`)
			fmt.Println(`{"event":"message","from":7,"text":"bye"}`)
			fmt.Println(`{"event":"log","line":"heard"}`)
			answer("{}")
		case "environment":
			b, _ := json.Marshal(os.Environ())
			answer(string(b))
		case "shout":
			fmt.Println(strings.Repeat("x", 2<<20))
		case "mumble":
			fmt.Println("Connecting …")
		case "silence":
		case "die":
			fmt.Fprintln(os.Stderr, "dying")
			os.Exit(3)
		case "stop":
			answer("{}")
			return
		case "stay":
			time.Sleep(time.Hour)
		}
	}
}

func folder(t *testing.T, manifest string) *program.Manifest {
	t.Helper()
	all, err := load(t, manifest)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func load(t *testing.T, manifest string) ([]*program.Manifest, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, program.ManifestFile), []byte(manifest), 0o600))
	return program.Load(filepath.Dir(dir))
}

func self(t *testing.T, more string) *program.Manifest {
	t.Helper()
	return folder(t, fmt.Sprintf(`{"run":[%q,"play"],"clients":[{"name":"it"}]%s}`, os.Args[0], more))
}

func start(t *testing.T) (p *program.Process, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "log")
	p, err := program.Start(program.Spec{Manifest: self(t, ""), Log: log})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p, log
}

func limited(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

type was struct {
	Was string `json:"was"`
}

func TestAnswersComeInAnyOrder(t *testing.T) {
	p, _ := start(t)
	ctx := limited(t, 20*time.Second)
	var got was
	require.NoError(t, p.Do(ctx, "echo", was{"said"}, &got))
	require.Equal(t, "said", got.Was)

	var held was
	done := make(chan error, 1)
	go func() { done <- p.Do(ctx, "hold", nil, &held) }()
	require.NoError(t, p.AwaitEvent(ctx, "held", 0))
	require.NoError(t, p.Do(ctx, "release", nil, &got))
	require.Equal(t, "quick", got.Was)
	require.NoError(t, <-done)
	require.Equal(t, "held", held.Was)
	require.NoError(t, p.Close(20*time.Second))
}

func TestErrors(t *testing.T) {
	p, _ := start(t)
	ctx := limited(t, 20*time.Second)
	err := p.Do(ctx, "refuse", nil, nil)
	var refused *program.CallError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, program.CallError{Code: 401, Message: "AUTH_KEY_UNREGISTERED"}, *refused)
	_, ok := program.Unsupported(err)
	require.False(t, ok)

	why, ok := program.Unsupported(p.Do(ctx, "lack", nil, nil))
	require.True(t, ok)
	require.Equal(t, "no such thing", why)

	require.ErrorIs(t, p.Do(limited(t, 50*time.Millisecond), "silence", nil, nil), context.DeadlineExceeded)
	var number int
	require.ErrorContains(t, p.Do(ctx, "echo", was{"text"}, &number), "cannot unmarshal")
}

func TestEventsAreTold(t *testing.T) {
	var told []string
	p, err := program.Start(program.Spec{
		Manifest: self(t, ""), Log: filepath.Join(t.TempDir(), "log"),
		Message:  func(from int64, text string) { told = append(told, fmt.Sprint(from, " ", text)) },
		Happened: func(event string) { told = append(told, event) },
	})
	require.NoError(t, err)
	require.NoError(t, p.Do(limited(t, 20*time.Second), "hear", nil, nil))
	require.NoError(t, p.Close(20*time.Second))
	require.Equal(t, []string{"message", "7 hello", "message", "7 hello", "message", "7 bye", "log"}, told)
}

func TestEventsAreCounted(t *testing.T) {
	p, log := start(t)
	ctx := limited(t, 20*time.Second)
	require.NoError(t, p.Do(ctx, "hear", nil, nil))
	require.NoError(t, p.AwaitText(ctx, "hello"))
	require.Equal(t, 2, p.Received("hello"))
	require.Equal(t, 1, p.Received("bye"))
	require.Zero(t, p.Received("never"))
	require.Equal(t, []string{"hello"}, p.Repeated())
	require.Equal(t, 3, p.Count("message"))
	require.ErrorIs(t, p.AwaitText(limited(t, 20*time.Millisecond), "never"), context.DeadlineExceeded)
	require.NoError(t, p.Close(20*time.Second))
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "heard\n", string(text))
}

func TestProgramsThatMisbehave(t *testing.T) {
	for _, tc := range []struct{ name, do, want string }{
		{"a line without end", "shout", "token too long"},
		{"a line that is no JSON", "mumble", `no JSON: "Connecting …"`},
		{"its own end", "die", "exit status 3"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := start(t)
			err := p.Do(limited(t, 20*time.Second), tc.do, nil, nil)
			require.ErrorIs(t, err, program.ErrEnded)
			require.ErrorContains(t, err, tc.want)
			require.ErrorIs(t, p.AwaitText(t.Context(), "x"), program.ErrEnded)
			require.Error(t, p.Do(t.Context(), "echo", nil, nil))
		})
	}
	t.Run("it does not stop", func(t *testing.T) {
		p, _ := start(t)
		require.ErrorIs(t, p.Do(limited(t, 50*time.Millisecond), "stay", nil, nil), context.DeadlineExceeded)
		require.ErrorContains(t, p.Close(50*time.Millisecond), "did not stop")
	})
	t.Run("there is none", func(t *testing.T) {
		m := folder(t, `{"run":["/no/such/program"],"clients":[{"name":"it"}]}`)
		_, err := program.Start(program.Spec{Manifest: m, Log: filepath.Join(t.TempDir(), "log")})
		require.Error(t, err)
	})
}

func TestClock(t *testing.T) {
	for _, tc := range []struct {
		clock   string
		skew    time.Duration
		want    []string
		mistake error
	}{
		{clock: "", skew: 0},
		{clock: "", skew: time.Hour, mistake: program.ErrNoClock},
		{clock: "own", skew: -time.Hour, want: []string{"CLOCK_SKEW_SECONDS=-3600"}},
		{clock: "node", skew: time.Minute, want: []string{"CLOCK_SKEW_SECONDS=60", "NODE_OPTIONS=--require /skew.cjs"}},
	} {
		t.Run(fmt.Sprint(tc.clock, tc.skew), func(t *testing.T) {
			m := self(t, fmt.Sprintf(`,"clock":%q`, tc.clock))
			p, err := program.Start(program.Spec{
				Manifest: m, Log: filepath.Join(t.TempDir(), "log"), Skew: tc.skew, SkewScript: "/skew.cjs",
			})
			if tc.mistake != nil {
				require.ErrorIs(t, err, tc.mistake)
				return
			}
			require.NoError(t, err)
			defer p.Kill()
			var env []string
			require.NoError(t, p.Do(limited(t, 20*time.Second), "environment", nil, &env))
			require.Subset(t, env, tc.want)
		})
	}
}
