// Package sizing measures what a node and its stores need: file descriptors,
// connections, memory, rows and keys a login, CPU a call. It has a test alone; make
// sizes runs it.
package sizing
