package conformance

import (
	"cmp"
	"context"
	"crypto/rsa"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tgsession/tgsession/app/lab/conformance/wire"
)

// Target is the server to ask and how.
type Target struct {
	Addr string         // host:port of a gateway
	Key  *rsa.PublicKey // the one it proves itself with
	HTTP string         // where it speaks HTTP. Empty means Addr
	DC   int            // its data centre
	// Phone and Code log in for the rules that need a user. Empty: these are
	// skipped. A number without an account is signed up.
	Phone, Code string
	// PasswordPhone is a number with the same code, whose account has a
	// password too. Empty: rules that need one are skipped.
	PasswordPhone string
	// SlowMethod is a method (help.getCdnConfig) that the server takes seconds
	// for, called with empty arguments. Empty: rules that need one are skipped.
	SlowMethod string
	// Only restricts the run to rules whose id it matches. Nil: all.
	Only *regexp.Regexp
	// Workers is how many checks run at a time. Zero means 8.
	Workers int
	// Patience is how long an answer may take: being slow breaks no rule. Zero
	// means 10s.
	Patience time.Duration

	slow     []byte        // a call of SlowMethod
	slowFrom time.Duration // what it takes at least. Zero means 2s
	logins   sync.Mutex    // held while one is made
}

const defaultWorkers = 8

// worker is the keys that the checks of one goroutine share.
type worker struct{ perm, unbound *wire.Key }

// verdict is what one check found out.
type verdict struct {
	check   check
	failure string
	skipped string
	notes   []wire.NoteError
	heard   bool // packets of the server were opened
}

// Status of a rule.
type Status string

// The three there are.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Row is what is known about one rule.
type Row struct {
	Rule    string `json:"rule"`
	Chapter string `json:"chapter"`
	Title   string `json:"title"`
	Status  Status `json:"status"`
	// Detail says what was expected and what came, or why nobody asked.
	Detail string `json:"detail,omitempty"`
}

// Run asks about all rules and returns a row of each, in the order of the
// documentation. An error means that the server could not be asked at all.
func Run(ctx context.Context, t *Target) ([]Row, error) {
	rules, err := parseRules(rulesText)
	if err != nil {
		return nil, err
	}
	if t.SlowMethod != "" {
		if t.slow, err = emptyCall(t.SlowMethod); err != nil {
			return nil, fmt.Errorf("conformance: %w", err)
		}
	}
	t.Patience = cmp.Or(t.Patience, defaultPatience)
	t.slowFrom = cmp.Or(t.slowFrom, defaultSlow)
	t.HTTP = cmp.Or(t.HTTP, t.Addr)
	// Whoever is not there or has another key fails every rule in the same way.
	if _, err := wire.Connect(ctx, t.Addr, t.Key, t.DC, 0); err != nil {
		return nil, fmt.Errorf("conformance: no key exchange with %s: %w", t.Addr, err)
	}
	verdicts := t.ask(ctx, checks())
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return table(t.wanted, rules, verdicts), nil
}

func (t *Target) wanted(id string) bool { return t.Only == nil || t.Only.MatchString(id) }

// ask runs the checks of the wanted rules.
func (t *Target) ask(ctx context.Context, all []check) []verdict {
	workers := cmp.Or(t.Workers, defaultWorkers)
	todo := make(chan check)
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		verdicts []verdict
	)
	for range workers {
		wg.Go(func() {
			w := new(worker)
			for c := range todo {
				v := t.try(ctx, w, c)
				mu.Lock()
				verdicts = append(verdicts, v)
				mu.Unlock()
			}
		})
	}
	for _, c := range all {
		for _, id := range c.ids() {
			if t.wanted(id) {
				todo <- c
				break
			}
		}
	}
	close(todo)
	wg.Wait()
	return verdicts
}

// try runs one check in a goroutine of its own, which the check may end.
func (t *Target) try(ctx context.Context, w *worker, c check) verdict {
	ctx, cancel := context.WithTimeout(ctx, t.checkTimeout())
	defer cancel()
	p := &probe{ctx: ctx, target: t, worker: w}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(p)
	}()
	<-done
	p.close()
	v := verdict{check: c, failure: p.failure, skipped: p.skipped}
	for _, s := range p.sessions {
		v.notes = append(v.notes, s.Notes...)
		v.heard = v.heard || s.Received() > 0
	}
	return v
}

// table sums the verdicts up, rule by rule.
func table(wanted func(string) bool, rules []rule, verdicts []verdict) []Row {
	failures, skips, passed := map[string][]string{}, map[string][]string{}, map[string]bool{}
	for _, v := range verdicts {
		for _, id := range strings.Fields(passive) {
			passed[id] = passed[id] || v.heard
		}
		for _, n := range v.notes {
			if len(failures[n.Rule]) == 0 {
				failures[n.Rule] = []string{n.Text}
			}
		}
		for _, id := range v.check.ids() {
			switch {
			case v.failure != "":
				failures[id] = append(failures[id], v.check.title+": "+v.failure)
			case v.skipped != "":
				skips[id] = append(skips[id], v.skipped)
			default:
				passed[id] = true
			}
		}
	}
	var rows []Row
	for _, r := range rules {
		if !wanted(r.id) {
			continue
		}
		row := Row{Rule: r.id, Chapter: r.chapter, Title: r.title, Status: Skip, Detail: r.why}
		switch {
		case len(failures[r.id]) > 0:
			row.Status, row.Detail = Fail, strings.Join(failures[r.id], "; ")
		case passed[r.id]:
			row.Status, row.Detail = Pass, ""
		case len(skips[r.id]) > 0:
			slices.Sort(skips[r.id]) // checks end in any order
			row.Detail = strings.Join(slices.Compact(skips[r.id]), "; ")
		case r.why == "":
			row.Detail = "no packet of the server was seen"
		}
		rows = append(rows, row)
	}
	return rows
}

// Failed tells whether any rule failed.
func Failed(rows []Row) bool {
	for _, r := range rows {
		if r.Status == Fail {
			return true
		}
	}
	return false
}
