// Package tltext reads TL schema files in the form in which Telegram publishes them (core.telegram.org/mtproto/TL and
// core.telegram.org/schema): combinators that end in a semicolon, the sections ---types--- and ---functions---, // and
// /* */ comments, and the layer in a comment that reads "LAYER 223".
//
// It is strict: what it does not understand is an error that names the line, never a guess. Of the TL language it takes
// what Telegram's schemas use: one word for a parameter (name:type, with conditions, vectors, %bare and !X types),
// {X:Type} for type variables, and the definitions of the built-in types, which it recognises and marks.
package tltext
