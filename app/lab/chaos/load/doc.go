// Package load is the clients of a run: people of two libraries who talk at a
// steady pace, and people who are left alone and get a message now and then. All
// that they do and see goes into a record, which package check judges.
//
// gotd follows updates by itself, and fetches a difference when a later update
// shows that one is missing and when the server says updatesTooLong. What it
// lacks, and applications do, is added here: it fetches when a new session was
// created, and asks again when the answer does not come.
package load
