// Package sessions is the session manager: who is logged in, on which device,
// since when, and for how much longer.
//
// A session is one login: a user on a perm key. It is named by its hash, a
// random number; the key stays inside. It begins with a sign-in, lives as long
// as it is used often enough, and ends by a revocation, which is final: why,
// when and by whom stay as history. A sign-in on the same key is another session,
// with a hash of its own.
//
//	stock calls ─┐
//	own calls   ─┼─▶ Manager ──▶ dao (MySQL, cache, events in one transaction; package logins
//	admin, ctl  ─┤           │        says what is to be done)
//	clean-up    ─┘           └─▶ revocation (session nodes are told)
//
// Sessions end by a sign-in (SignIn), by the second factor that completes one
// (SetPasswordPending), by a revocation (Revoke, Erase), by disuse (Idle), and with their keys
// (Destroy). Each of these has the end carried out by one function of the store, which writes
// the history and the event and cleans the caches, and then tells the session nodes: when it
// returns, all of that is done. One end is told to nobody: that of a session whose TTL is found
// to be over by a call that reads it. Its session node reads sessions in use again once a
// minute, and so finds out.
package sessions
