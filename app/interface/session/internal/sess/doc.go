// Package sess is the server side of MTProto sessions
// (https://core.telegram.org/mtproto/description) as a state machine without
// I/O: one MainAuthWrapper for each auth key, and one function, Step, that maps
// a state, an input and the time to the next state and to effects. It knows no
// gRPC, no etcd and no clock, starts no goroutine, and draws all randomness
// from a reader; the same inputs at the same times have the same effects.
//
//	MainAuthWrapper (perm auth key)
//	 ├── login, pushes, presence, ...        what is true of the key as a whole       see below
//	 ├── mainAuth                            SessionList of the perm key itself
//	 ├── tempAuth, mediaTempAuth             SessionLists, one for each temp key      lists.go
//	 │     │                                 of either kind, with the salts of the key
//	 │     └── session                       an id the client chose
//	 │           ├── window                  ids it has received          window.go
//	 │           ├── queue ──flush──▶ sent   what the client shall get    outbox.go, flush.go, repeat.go
//	 │           ├── acks                    what it has, not yet said so
//	 │           └── http                    open requests                http.go
//	 ├── gone                                what ended sessions have received              gone.go
//	 ├── calls                               API calls without an answer  calls.go
//	 └── asks                                other calls to peers         asks.go
//
// # The parts of the state
//
// Fields that mean something only together are one struct. Its comment says what is
// true of it between two Steps, its methods are named by what has happened, and nobody
// else writes its fields: TestStateIsWrittenByItsOwnMethods names each line that does.
// Who asks why a field has its value reads one file.
//
//	login          whose the key is, and how far that is known       login.go
//	pushes         which updates wait, who takes them, what was lost pushes.go
//	presence       what status knows of the key                      presence.go
//	binding        how far a temp key is bound                       bind.go
//	profile        what the client has told of itself                profile.go
//	goneSessions   what sessions that ended have received            gone.go
//	pendingCalls   the API calls without an answer                   calls.go
//	subscription   whether a session takes updates                   subscription.go
//
// A part knows nothing of the others. What one event does to several of them is said
// by methods of MainAuthWrapper: auth.go for the login, push.go and gap.go for updates,
// online.go for status, client.go for what is stored of the client. export.go and
// import.go have each part write and read itself.
//
// # The life of a call
//
//	Data ─▶ onPacket        salt, then the container if it is one          packet.go
//	     ─▶ onMessage       known? time, seqno, unpacking                  message.go
//	     ─▶ onCall          wrappers off, layer and client noted           wrappers.go, client.go
//	     ─▶ accept          hopeless? then unread; else TL to protobuf    calls.go, reading.go
//	     ─▶ gate            is there a login? wait until that is known     auth.go, traits.go
//	     ─▶ pump            its turn: invokeAfterMsg, calls in flight      calls.go, after.go
//	     ─▶ Call{InvokeMethod}  ...  CallDone
//	     ─▶ conclude        what it did to the login                       result.go
//	     ─▶ answer          protobuf to TL in the session's layer, packed  result.go, gzip.go
//	     ─▶ flush           ids and seqnos, containers, packets            flush.go
//	     ─▶ onAck           the client has it; until then it is kept       repeat.go
//
// A Step ends with one flush for each session that has something to say, so
// that what one input brings about leaves together.
//
// # How often a call is made
//
// Once: whatever a session has received it knows by its id, and what it may have
// forgotten it refuses. When a session ends, its wrapper remembers the highest id
// for as long as it would be accepted (gone.go), so that a packet that somebody
// recorded is not done again either. This memory moves with the key, and is lost only
// when its node dies. A client that sends a call again as a new message has it made
// again, and nothing here can tell. GramJS does so after a reconnect, in a new session;
// TDLib, mtcute and Android when new_session_created says that what came before is not
// known.
//
// # Who hears of updates
//
// sync pushes to the keys that status has an entry of, so a wrapper tells status
// while somebody is there who takes updates (online.go), and knows, as well as it
// can be known, whether status has the entry. Whenever it may not have had it, or
// updates were lost here, the client is told to fetch the difference (gap.go): by
// updatesTooLong, once the entry is confirmed.
//
//	packet of an unknown session ─▶ resume     it lived before: it may have missed some
//	offline ─▶ pushes.miss                     nobody is pushed to from here on
//	Announced{Failed, Lost}, Forgotten         status did not take the entry, or lost it
//	Announced ─▶ catchUp ─▶ updatesTooLong     from here on updates are pushed
//
// # What leaves
//
// The greeting, answers, errors, other replies, updates: in that order, whether new
// or repeated (flush.go). What the client does not acknowledge is repeated or, when
// it is large, announced (repeat.go), no more of it at a time than RepeatBytes
// (again.go).
//
// # The life of a login
//
//	mark ─▶ signIn, checkPassword, ... ─▶ clear        a mark brackets each call that may log in   result.go
//	                                      └▶ logIn     storage says that the login is one          auth.go
//	read of the state ─▶ logIn                         it began elsewhere: a QR code, a bot
//	auth.logOut ─▶ logOut                              ended here
//	Revoked, a push, a read ─▶ revoke                  ended elsewhere
//
// When a login ends, its answers and updates are dropped. Its sessions stay: the
// client may log in again in them. Which calls need a login is said in traits.go, and
// why in PEERS.md, "Calls allowed before login".
//
// # The transitions of a login
//
// The table says, for each event and each state of a login (login.go), which state
// follows and what else the machine does in that Step (auth.go, result.go).
// TestLoginTable lets each event happen in each state and compares: a row that is
// wrong, missing or incomplete fails it. The states:
//
//	unknown        the state has not been read, or another node may have changed it
//	new            the key has no user, and storage knows nothing of its client
//	wait-init      the key has no user: stock has this state, and nothing makes it
//	unauthorized   the key has no user
//	password       the login waits for its password
//	password-here  the login waits for its password, and storage may not know that
//	logged-in      the key has a user
//	suspected      the key has a user, but somebody says that the login has ended:
//	               answers and updates wait until a read says whether it has
//	logged-out     auth.logOut has ended the login
//	revoked        the login was ended elsewhere
//	destroyed      destroy_auth_key has removed the key
//
// What the machine does besides:
//
//	read           it asks authsession for the state
//	doubt          it will ask authsession: before it refuses a call, or, of a key that
//	               has a user, while its next call goes on
//	offline        it tells status that nobody is there (online.go)
//	refuse         it answers 401 to the calls of the login that are at a BFF
//	withdraw       it drops answers that the client has not acknowledged
//	drop           it drops updates that the client has not acknowledged
//	gap            it notes that updates are missing: the client is told to fetch the
//	               difference when a user is logged in again (gap.go)
//	tell           it sends updatesTooLong to a session that takes updates
//
// A read ends in onState (auth.go), a sign-in and an auth.logOut in applyOutcome
// (result.go). updateAccountResetAuthorization comes to onReset (push.go), Returned to
// onReturned (auth.go), Revoked and Settled to dispatch (wrapper.go). destroy_auth_key
// calls destroy (auth.go).
//
// A read, a sign-in or an auth.logOut has begun in the state of its row. There are three
// exceptions: a sign-in or auth.logOut in unknown or suspected, anything in destroyed, a
// sign-in in revoked. These began before the key came into that state. A sign-in that
// succeeds is judged by what storage says of the login when its mark is cleared. "others"
// are the states that an event does not name.
//
//	a read says: the user
//	    unknown                                      -> logged-in     tell
//	    password-here, logged-in, destroyed          -> same
//	    others                                       -> logged-in
//	a read says: another user
//	    unknown                                      -> logged-in     tell
//	    logged-in                                    -> same          offline, drop
//	    suspected                                    -> logged-in     offline, drop
//	    password-here, destroyed                     -> same
//	    others                                       -> logged-in
//	a read says: password owed
//	    password, destroyed                          -> same
//	    logged-in, suspected                         -> password      offline, drop, gap
//	    others                                       -> password
//	a read says: no user
//	    logged-in, suspected                         -> revoked       offline, refuse, withdraw, drop, tell
//	    unauthorized, logged-out, revoked, destroyed -> same
//	    others                                       -> unauthorized
//	a read says: no client
//	    logged-in, suspected                         -> revoked       offline, refuse, withdraw, drop, tell
//	    new, logged-out, revoked, destroyed          -> same
//	    others                                       -> new
//	a read fails
//	    logged-in                                    -> same
//	    suspected                                    -> revoked       doubt, offline, refuse, withdraw, drop, tell
//	    others                                       -> same          doubt
//	a read is refused
//	    logged-in, suspected                         -> revoked       offline, refuse, withdraw, drop, tell
//	    others                                       -> same
//	a sign-in begins
//	    unknown                                      -> same          read
//	    revoked                                      -> unauthorized
//	    others                                       -> same
//	a sign-in succeeds, storage says: the user
//	    unknown                                      -> logged-in     tell
//	    logged-in, suspected, destroyed              -> same
//	    others                                       -> logged-in
//	a sign-in succeeds, storage says: another user
//	    unknown                                      -> logged-in     tell
//	    logged-in                                    -> same          offline, drop
//	    suspected                                    -> logged-in     offline, drop
//	    destroyed                                    -> same
//	    others                                       -> logged-in
//	a sign-in succeeds, storage says: password owed
//	    password, destroyed                          -> same
//	    logged-in, suspected                         -> password      offline, drop, gap
//	    others                                       -> password
//	a sign-in succeeds, storage says: no user
//	    logged-in                                    -> revoked       doubt, offline, refuse, withdraw, drop, tell
//	    suspected                                    -> revoked       doubt, offline, refuse, withdraw, drop
//	    destroyed                                    -> same
//	    unauthorized, logged-out, revoked            -> same          doubt
//	    others                                       -> unauthorized  doubt
//	a sign-in is answered SESSION_PASSWORD_NEEDED
//	    password, destroyed                          -> same
//	    logged-in, suspected                         -> password      offline, drop, gap
//	    others                                       -> password
//	a sign-in fails
//	    destroyed                                    -> same
//	    others                                       -> same          doubt
//	auth.logOut succeeds
//	    logged-in, suspected                         -> logged-out    offline, drop
//	    logged-out, destroyed                        -> same
//	    others                                       -> logged-out
//	auth.logOut fails
//	    unknown, destroyed                           -> same
//	    logged-in, suspected                         -> unknown       offline, drop, gap
//	    others                                       -> unknown
//	Revoked
//	    logged-in                                    -> revoked       offline, refuse, withdraw, drop, tell
//	    suspected                                    -> revoked       offline, refuse, withdraw, drop
//	    password, password-here                      -> revoked
//	    logged-out, revoked, destroyed               -> same
//	    others                                       -> same          read
//	updateAccountResetAuthorization names the key, 5 s or more after the login began
//	    logged-in                                    -> revoked       offline, refuse, withdraw, drop, tell
//	    suspected                                    -> revoked       offline, refuse, withdraw, drop
//	    password, password-here                      -> revoked
//	    logged-out, revoked, destroyed               -> same
//	    others                                       -> same          read
//	updateAccountResetAuthorization names the key, sooner
//	    logged-in                                    -> suspected     read
//	    suspected                                    -> same          doubt
//	    password, password-here                      -> revoked
//	    logged-out, revoked, destroyed               -> same
//	    others                                       -> same          read
//	Returned
//	    logged-in                                    -> unknown       read, drop, gap
//	    suspected                                    -> unknown       drop, gap
//	    unknown, destroyed                           -> same
//	    others                                       -> unknown       gap
//	Settled
//	    others                                       -> same          doubt
//	initConnection is stored
//	    new                                          -> unauthorized
//	    others                                       -> same
//	destroy_auth_key
//	    logged-out                                   -> destroyed     refuse, withdraw
//	    destroyed                                    -> same          withdraw
//	    logged-in, suspected                         -> destroyed     offline, refuse, withdraw, drop
//	    others                                       -> destroyed
//
// # Time
//
// There are two times. All waiting is by now, which never goes back. wall is the machine's
// clock, which may be set: only message ids, salts and dates are by it.
//
// Effects.WakeAt is the next moment at which something happens by itself: a
// silent session goes offline or ends, an acknowledgment has waited long
// enough, a message is due again, status forgets us, a wait is over. A key that
// only sits there is woken for nothing else, and when nothing is left of it,
// Effects.Done says so.
//
// # Bounds
//
// A client chooses session ids, message ids, how much it asks and how little it
// acknowledges. What it sends is read as far as its key is trusted (reading.go).
// Everything that grows with that has a limit in Config and a counter: temp keys,
// sessions, those that have ended, windows, outboxes by count and bytes, each for
// itself and those of a key together (crowd.go), calls in flight and waiting, what
// a packet may hold or inflate to, what waits for salts or for a session that takes
// updates, and what is sent again. Bounds that nobody has to change are constants beside
// what they bound, some without a counter: maxAsks, maxAfter, maxAcks, storeBurst,
// heldPushBytes, wire.MaxIDs. Where something must give way, answers are kept longest, and updates
// collapse into updatesTooLong, so that the client fetches the difference.
//
// Rules are cited by the ids of docs/rules.md, which says what each asks, where it
// comes from, and which dialogue of testdata/transcripts shows it.
package sess
