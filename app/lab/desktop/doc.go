// Package desktop has Telegram Desktop, as Debian packages it, log in to a
// cluster of the lab and live with it: it sends, receives, loses its network and
// is logged out from another device.
//
// Desktop has a key and addresses built in, so a patched copy runs (package
// patch), in a network namespace with loopback alone (package netns). It draws
// to a virtual screen (Xvfb); a hand of the lab's own (xdotool) clicks and types
// at places that are known for this release. What Desktop received is read from
// its debug log, and the rest from what the other people's devices see.
package desktop
