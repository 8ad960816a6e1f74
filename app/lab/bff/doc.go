// Package bff is a small BFF: enough of Telegram's API for a demo and for
// tests, served the way a stock BFF serves it (proto/PEERS.md, "BFF calls").
//
//	session ──/mtproto.RPCUsers/users_getUsers, protobuf──▶ Server
//	             rpc_metadata: who calls                      │
//	                                           protobuf ▶ TL ▶ tg request
//	                                                          │ handler
//	                                           protobuf ◀ TL ◀ tg result
//	authsession ◀── logins bound, listed, ended ──────────────┤
//	session     ◀── pushes, as sync sends them ── pusher ◀────┘
//
// The handlers speak gotd/td's tg types and sit in one file for each group of
// the API. Everything lives in memory and is gone with the server; everyone
// who has signed up is everyone's contact.
//
// It is a demo: the login code is always the same.
package bff
