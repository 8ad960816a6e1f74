// Package check judges what clients saw while faults were made. It is pure: a
// History in, a Verdict out.
//
// What has to hold:
//
//   - A message that the BFF has taken, or that its sender was told it has, is
//     seen by its recipient, once, within Patience; later counts as lost. How
//     the recipient learned of it (a push, or a difference that it was told to
//     fetch) does not matter, and is counted.
//   - The messages of a dialog are seen in the order in which the BFF has them.
//   - A call is carried out at most once in a session, unless its client was told
//     that nobody knows what became of it, and sends it again. While a session node is
//     killed, or is stopped for so long that another one begins its keys anew, that
//     cannot be promised, and is only counted.
//   - Nobody's login ends.
package check
