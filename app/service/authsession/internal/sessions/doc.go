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
//	own calls   ─┼─▶ Manager ──▶ dao (MySQL, cache, events in one transaction)
//	admin, ctl  ─┤           └─▶ revocation (session nodes are told)
//	clean-up    ─┘
//
// Whatever ends a login goes through Revoke: when it returns, the change is
// committed, the caches are clean, and the session nodes have been told.
package sessions
