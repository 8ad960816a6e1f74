package sess

import (
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsession/tgsession/app/interface/session/internal/sess/wire"
)

// The table of doc.go, "The transitions of a login", names for each event and each
// state what the state is afterwards and what else happens. Here the machine is
// brought into each state and each event happens to it: nothing else may come of it,
// and nothing that the table says may be missing.
func TestLoginTable(t *testing.T) {
	table := loginTable(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(loginEvents)), slices.Collect(maps.Keys(table)), "events")
	for event, rows := range table {
		for state := range loginStates {
			row, said := rows[state]
			if !said {
				row, said = rows["others"]
			}
			require.True(t, said, "%s: the table says nothing of %s", event, state)
			t.Run(event+"/"+state, func(t *testing.T) {
				if row.then == "same" {
					row.then = state
				}
				require.Equal(t, row, happens(t, state, event))
			})
		}
	}
}

// outcome is what comes of an event: the state, and what else happens.
type outcome struct{ then, effects string }

// loginTable reads the table: for each event the outcome by state.
func loginTable(t *testing.T) map[string]map[string]outcome {
	t.Helper()
	text := docSection(t, "The transitions of a login")
	table := map[string]map[string]outcome{}
	event := ""
	for _, line := range strings.Split(text, "\n") {
		states, result, row := strings.Cut(line, " -> ")
		switch {
		case !strings.HasPrefix(line, "\t"):
		case row:
			then, effects, _ := strings.Cut(strings.TrimSpace(result), " ")
			for _, state := range strings.Split(states, ",") {
				state = strings.TrimSpace(state)
				require.True(t, state == "others" || loginStates[state].base != nil, "%s: no such state: %s", event, state)
				if table[event] == nil {
					table[event] = map[string]outcome{}
				}
				require.NotContains(t, table[event], state, "%s: said twice", event)
				table[event][state] = outcome{then, strings.TrimSpace(effects)}
			}
		default: // of an event, or it explains a word
			event = strings.TrimSpace(line)
			require.NotContains(t, table, event)
		}
	}
	return table
}

// docSection is what doc.go says under a heading.
func docSection(t *testing.T, heading string) string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	_, text, found := strings.Cut(tree.Doc.Text(), "# "+heading+"\n")
	require.True(t, found, heading)
	text, _, _ = strings.Cut(text, "\n# ")
	return text
}

// loginState is how the machine gets into a state: by base, and at last by enter.
// What is under way then has begun in between.
type loginState struct{ base, enter func(*world) }

var loginStates = map[string]loginState{
	"unknown":       {readAs(AuthState{State: StateUnauthorized}), func(x *world) { x.step(&Returned{}) }},
	"new":           {base: readAs(AuthState{State: StateNew})},
	"wait-init":     {base: readAs(AuthState{State: StateWaitInit})},
	"unauthorized":  {base: readAs(AuthState{State: StateUnauthorized})},
	"password":      {base: readAs(AuthState{State: StateNeedPassword})},
	"password-here": {base: func(x *world) { askedForPassword(x) }},
	"logged-in":     {base: inUse},
	"suspected":     {inUse, func(x *world) { x.step(x.reset(alice, permKey, false)) }},
	"logged-out":    {base: func(x *world) { inUse(x); x.recv(1, x.method("auth.logOut")); loggedOut(x) }},
	"revoked":       {inUse, func(x *world) { x.step(&Revoked{}) }},
	"destroyed":     {inUse, destroyKey},
}

// stateOf is the name of the state that a login is in.
func stateOf(l *login) string {
	switch {
	case l.destroyed:
		return "destroyed"
	case l.passwordOwed:
		return "password-here"
	case l.suspect && l.state == StateNormal:
		return "suspected"
	}
	return map[State]string{
		StateUnknown: "unknown", StateNew: "new", StateWaitInit: "wait-init", StateUnauthorized: "unauthorized",
		StateNeedPassword: "password", StateNormal: "logged-in", StateLoggedOut: "logged-out", StateRevoked: "revoked",
	}[l.state]
}

// readAs is a key of which authsession says something.
func readAs(says AuthState) func(*world) {
	return func(x *world) {
		x.state = says
		x.recv(1, tlPing(1))
	}
}

// inUse is a login with a call at a BFF, an answer and an update that the client has
// not acknowledged.
func inUse(x *world) {
	x.login(1)
	x.recv(1, x.method("account.getAccountTTL"))
	x.recv(1, x.method("help.getNearestDc"))
	x.answer("help.getNearestDc", nearestDC("NL"))
	x.step(&PushUpdates{Updates: x.updates(1)})
}

// askedForPassword is a key that owes its password to an authsession which does not
// say what it knows of that.
func askedForPassword(x *world) {
	x.state = AuthState{State: StateUnauthorized}
	word := x.word
	x.word = nil
	signIn(x)
	x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77")
	x.word = word
}

func signIn(x *world) { x.recv(1, x.method("auth.signIn", int32(1), "1", "2", "3")) }

func loggedOut(x *world) { x.answer("auth.logOut", tlInt(tlID(0xc3a2835f), 0)) }

func destroyKey(x *world) {
	x.recv(1, tlID(wire.IDDestroyAuthKey))
	ticket, _ := find[*DestroyKey](x, nil)
	x.finish(ticket, &KeysGone{Existed: true}, nil)
}

// loginEvent is something that happens to a login: what has begun before, and how it
// ends. under says what kind that is.
type loginEvent struct {
	under       underWay
	begin, fire func(*world)
}

type underWay int

const (
	nothing underWay = iota
	aRead            // of the state
	aSignIn
	aLogOut
)

var loginEvents = map[string]loginEvent{
	"a read says: no user":                            {aRead, startRead, readSays(AuthState{State: StateUnauthorized})},
	"a read says: no client":                          {aRead, startRead, readSays(AuthState{State: StateNew})},
	"a read says: password owed":                      {aRead, startRead, readSays(AuthState{State: StateNeedPassword})},
	"a read says: the user":                           {aRead, startRead, readSays(AuthState{State: StateNormal, UserID: alice})},
	"a read says: another user":                       {aRead, startRead, readSays(AuthState{State: StateNormal, UserID: alice + 1})},
	"a read fails":                                    {aRead, startRead, readFails(500)},
	"a read is refused":                               {aRead, startRead, readFails(401)},
	"a sign-in begins":                                {fire: signIn},
	"a sign-in fails":                                 {aSignIn, signIn, ofSignIn(func(x *world) { x.fail("auth.signIn", 500, "INTERNAL_SERVER_ERROR") })},
	"a sign-in is answered SESSION_PASSWORD_NEEDED":   {aSignIn, signIn, ofSignIn(func(x *world) { x.fail("auth.signIn", 401, "SESSION_PASSWORD_NEEDED_77") })},
	"a sign-in succeeds, storage says: the user":      {aSignIn, signIn, signsIn(LoginWord{State: StateNormal, UserID: alice})},
	"a sign-in succeeds, storage says: another user":  {aSignIn, signIn, signsIn(LoginWord{State: StateNormal, UserID: alice + 1})},
	"a sign-in succeeds, storage says: password owed": {aSignIn, signIn, signsIn(LoginWord{State: StateNeedPassword, UserID: alice})},
	"a sign-in succeeds, storage says: no user":       {aSignIn, signIn, signsIn(LoginWord{State: StateUnauthorized})},
	"auth.logOut succeeds":                            {aLogOut, startLogOut, loggedOut},
	"auth.logOut fails":                               {aLogOut, startLogOut, func(x *world) { x.fail("auth.logOut", 500, "INTERNAL_SERVER_ERROR") }},
	"Revoked":                                         {fire: func(x *world) { x.step(&Revoked{}) }},
	"updateAccountResetAuthorization names the key, 5 s or more after the login began": {fire: func(x *world) { x.now += int64(6 * time.Second); x.step(x.reset(alice, permKey, false)) }},
	"updateAccountResetAuthorization names the key, sooner":                            {fire: func(x *world) { x.step(x.reset(alice, permKey, false)) }},
	"Returned":                 {fire: func(x *world) { x.step(&Returned{}) }},
	"Settled":                  {fire: func(x *world) { x.step(&Settled{}) }},
	"initConnection is stored": {fire: func(x *world) { x.recv(1, tlLayer(223, tlInitOf("12.1.0", tlPing(1)))) }},
	"destroy_auth_key":         {fire: destroyKey},
}

// startRead has the state read, and leaves that unanswered.
func startRead(x *world) {
	if x.w.login.reading {
		return
	}
	x.step(&Settled{})
	x.recv(1, x.method("help.getPromoData"))
	if !x.w.login.reading { // who owes the password is not asked for by a call
		x.step(&PushUpdates{Updates: x.updates(2)})
	}
}

func startLogOut(x *world) { x.recv(1, x.method("auth.logOut")) }

func readSays(says AuthState) func(*world) {
	return func(x *world) {
		ticket, _ := find[*GetAuthState](x, nil)
		x.finish(ticket, &says, nil)
	}
}

func readFails(code int32) func(*world) {
	return func(x *world) {
		ticket, _ := find[*GetAuthState](x, nil)
		x.finish(ticket, nil, &RPCError{Code: code, Message: "X"})
	}
}

// ofSignIn is the outcome of a sign-in, if it was made.
func ofSignIn(fire func(*world)) func(*world) {
	return func(x *world) {
		if x.isInvoked("auth.signIn") {
			fire(x)
		}
	}
}

// signsIn is a sign-in that succeeds, and what storage says when its mark is cleared.
func signsIn(word LoginWord) func(*world) {
	return func(x *world) {
		x.word = func(*SetPasswordPending) *LoginWord { return &word }
		user := word.UserID
		if user == 0 {
			user = alice
		}
		x.signedIn(int(user))
	}
}

// happens lets an event happen in a state.
func happens(t *testing.T, state, event string) outcome {
	t.Helper()
	x := newWorld(t, false)
	x.word = func(m *SetPasswordPending) *LoginWord {
		if m.Pending && m.UserID != 0 {
			return &LoginWord{State: StateNeedPassword, UserID: m.UserID}
		}
		return &LoginWord{State: StateUnauthorized}
	}
	s, e := loginStates[state], loginEvents[event]
	// Under way in these states is what began before: they let nothing of it begin,
	// or it takes the key out of the state.
	before := state == "destroyed" || e.under != aRead && (state == "unknown" || state == "suspected") || e.under == aSignIn && state == "revoked"
	s.base(x)
	x.states = false
	if e.begin != nil && before {
		e.begin(x)
	}
	if s.enter != nil {
		s.enter(x)
	}
	if e.begin != nil && !before {
		e.begin(x)
	}
	x.take()
	require.Equal(t, state, stateOf(&x.w.login), "the state to begin with")

	was := look(x)
	e.fire(x)
	is := look(x)
	var effects []string
	note := func(name string, yes bool) {
		if yes {
			effects = append(effects, name)
		}
	}
	refused, told := false, false
	for _, m := range x.take() {
		if r := wire.NewReader(m.Body[4:]); m.constructor == wire.IDRPCResult {
			refused = refused || r.Long() == was.running
		}
		told = told || m.constructor == wire.IDUpdatesTooLong
	}
	note("read", is.reads > was.reads)
	note("doubt", is.doubt && !was.doubt)
	note("offline", is.offline > was.offline)
	note("refuse", refused)
	note("withdraw", slices.ContainsFunc(was.answers, func(req int64) bool { return !slices.Contains(is.answers, req) }))
	note("drop", was.updates > is.updates)
	note("gap", is.gap && !was.gap)
	note("tell", told)
	return outcome{stateOf(&x.w.login), strings.Join(effects, ", ")}
}

// sight is what the effects of an event are seen by.
type sight struct {
	reads, offline int
	doubt, gap     bool
	updates        int     // in the outbox
	answers        []int64 // in the outbox, to these calls
	running        int64   // the call of the login that is at a BFF
}

func look(x *world) (l sight) {
	l = sight{reads: count[*GetAuthState](x), offline: count[*SetOffline](x), doubt: x.w.login.stale, gap: x.w.pushes.gap || len(x.w.pushes.held) > 0}
	for s := range x.w.sessions() {
		for _, m := range append(slices.Clone(s.sent), s.queue...) {
			switch {
			case m.kind == outPush:
				l.updates++
			case m.kind == outAnswer && !m.isError():
				l.answers = append(l.answers, m.req)
			}
		}
	}
	for _, c := range x.w.calls.list {
		if c.method.Name == "account.getAccountTTL" {
			l.running = c.meta.MsgID
		}
	}
	return l
}
