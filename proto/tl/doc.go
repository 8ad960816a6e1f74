// Package tl turns TL bytes into protobuf bytes and back, without ever building an object.
//
//	schema/*.tls      tables: what fields a message has and in which client layer a constructor exists
//	     │ tlset.Parse
//	     ▼
//	 tlset.Set
//	     │ Compile    tables -> programs: one straight list of steps for each constructor and direction
//	     ▼
//	  *Schema
//	     │ Decode, DecodeRequest: constructor id ──▶ program.read ───▶ toProto.run    one pass over the TL
//	     │ Encode: predicate and layer ────────────▶ program.numbers ▶ toTL.stream    one pass over the protobuf
//	     │                                 or, ────▶ program.write ──▶ toTL.write     scan, then write in TL order
//
// Load or Open makes a Schema once. Method and Message find what a call is about, and all goroutines share it:
//
//	schema, err := tl.Load("0.223.1")
//	request, method, n, err := schema.DecodeRequest(buf[:0], call, tl.MaxOutput) // what the client sent
//	// ask the server of method.Path with request; it answers reply
//	result, err := schema.Encode(buf[:0], method.Reply, reply, layer)            // what the client reads
//	update, err := schema.Encode(buf[:0], schema.Message("Updates"), pushed, layer)
//
// # How a field's layer, flag and number meet
//
// Take ttl_period of a message. In protobuf it is field 41, whoever the client is. In TL it has no number: it is an
// optional int that comes after its siblings, present when bit 25 of the flags word is on, and only in the constructor
// versions that have it. So the number belongs to the union message, the flag to one version of the constructor,
// and the layer chooses the version. A step of a program holds the first two (step.tag; step.word and step.mask); the
// third is the program itself:
//
//	layer 145 ─┐
//	           ├─▶ message#38116ee0 ─▶ step{kIntWrap, word: 1, mask: 1<<25, tag: 41<<3|2}
//	predicate ─┘
//
// Reading TL needs no layer: the id names the version. It writes fields in ascending order of their numbers, so that
// the bytes equal what a protobuf library marshals. TL order is another one: see program.schedule for how that is done
// in one pass. Steps that hang on flags are not tried one by one: a plan knows the steps of each flag as a set, and the
// interpreter walks over the union of the sets whose flags are on. Objects of fixed size, half of all, need none of that:
// see flat.go.
//
// Writing TL starts from the predicate; the constructor id in the message is only a hint. A flags word is computed from
// what is present. Where several fields share a bit, and only some are present, the others are written as zero, so that
// the client can read on. A message is written as it is read, in one pass; a field that protobuf brings before its place in TL
// is held until then (stream.go). A message that repeats a field or has its fields in another order is scanned first, which
// notes where they lie (scan.go), and written then (totl.go). What the client's layer does not have becomes the closest thing
// it has: see substitutes.go.
//
// # To add a kind of field
//
// Give it a constant in program.go; a row in the tables, a wire type and a coding in compile_program.go; a case in
// toProto.run and one in toTL.write; one in toTL.stream, or an exception in number of compile.go. Teach the generator of
// property_test.go to draw it: TestEveryConstructor then proves it in every place where the tables have it.
//
// # Text
//
// What TL calls string may hold any bytes; a protobuf string must be UTF-8, or a server in Go refuses the request. The strings
// of requests are therefore repaired: each run of invalid bytes becomes one U+FFFD. See utf8.go.
//
// # Speed
//
// Output is written by index into room that was made before, with whole words where the next value overwrites their tail;
// hence the spare capacity of dst may change behind the result. What remains is some hundred instructions for each object
// and each field, at about six a cycle: finding the constructor, the step, the flags, the choice by kind, and what the
// compiler adds to keep every access inside its slice. Tables that do not stay in the first cache cost a tenth. Memory is not
// the limit, a plain copy is more than a hundred times as fast. `make bench-tl` measures that, next to a typed codec and
// dynamicpb.
//
// # Safety
//
// Input may be hostile. Every length is checked against what is left, counts before anything is done for them, depth by
// MaxDepth, output by MaxOutput and, as a consequence of the tables, by Expansion. Errors are of the types in errors.go;
// nothing panics. A call allocates nothing but what dst needs to grow.
package tl
