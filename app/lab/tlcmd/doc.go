// Package tlcmd is the lab's "tl" command: it turns single TL objects into protobuf and back for scripts and tests, and
// prints captured TL as a tree for people.
package tlcmd
