// Package program starts client programs of the client matrix and speaks with
// them: what a program's folder says of itself (Manifest), how it is made, and
// its process with requests, answers and events (Process). Package clients
// describes the lines that go back and forth.
package program
