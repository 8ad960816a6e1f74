// Package logins holds the rules about logins, as functions from values to plans. It
// decides
//
//   - what a sign-in does: which logins it replaces on its key and which the user's policy
//     ends, whether the login waits to be confirmed, and which devices hear of it (signin.go);
//   - which calls under way may leave a login that owes the second factor, and when a login
//     owes it no longer (marks.go, pending.go);
//   - how many logins of a user may stay side by side (policy.go);
//   - when a login ends because nobody uses it (expiry.go), and what a reason means (reason.go).
//
// It has no clock, no context and no database: a plan follows from its arguments alone, so the
// rules are tested without a server. The store (package dao) reads the arguments under its
// locks, asks for the plan, and carries it out in the same transaction. The store also keeps
// what no rule looks at: devices, addresses, history, copies in Redis, events.
//
// Times are Unix seconds; 0 is a time that is not known. None but Used changes what it is given.
package logins
