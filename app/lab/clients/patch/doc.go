// Package patch points a client that is built for one installation at another
// one. In a copy of its binary it replaces the RSA keys of the key exchange
// and the addresses of the data centres by others of the same length, so that
// nothing else in the file moves.
//
// Each replacement is counted, and a count that is not the expected one is an
// error: another build keeps its constants in other ways, and a client that is
// patched by half would still look for the installation that it was built for.
// For the same reason a patched client belongs into a network namespace without
// a way out (package netns).
package patch
