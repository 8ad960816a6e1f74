// Package tlgencmd is "lab tlgen": it makes the table set of a Teamgram release that this project does not ship.
//
// # For operators
//
// Field numbers of Teamgram's messages move from release to release. A session layer with the tables of one release in
// front of a BFF of another loses fields silently, so when you move to a release that "Schema:" in session.yaml cannot
// name, make its tables first:
//
//  1. "make lab" builds teamgramd/bin/lab. Check out the .proto files the release was built from: go.mod of the teamgram-server you run names the version of
//     github.com/teamgram/proto.
//
//  2. Get the TL schema of the newest layer the release knows: core.telegram.org/schema shows it, client sources carry
//     theirs (api.tl, telegram_api.tl). For a release that is older than the base of step 3, take the schema of the base's
//     newest layer instead, so that the set reads what newer clients send: what the release does not register is left out, and
//     the set ends at the release's own layer, whose constructors clients of later layers get.
//     The shipped sets of 0.205.0 to 0.221.0 were all made with the schema of layer 223 (CONTRIBUTING.md has the commands).
//
//  3. Run
//
//     lab tlgen --proto proto/mtproto --tl api.tl --base 0.223.1 --release 0.224.0 -o 0.224.0.tls
//
//     and read the report. "Could not be mapped" should be empty but for service messages. "Not registered, while older
//     ones are" is empty when the schemas are no newer than the release: otherwise it lists what is in the way of the next
//     layer, before which the set ends. Few names there may mean that the release has the layer, and forgot to register
//     them: put their older definitions into the TL file, in the place of the newer, and make the set again. "Not
//     registered, while newer ones are" should be empty: clients of these layers cannot be sent what it lists. "In no TL file" lists what Teamgram registers and nobody publishes: its internals. docs/swap.md has an example
//     with its figures. The base stands for the schemas of all older layers; when the new release skips layers, add their
//     files too, since between two layers that are told the older one holds. Without a
//     base, give one file for each layer in which a constructor changed, from the oldest client you serve on, and the
//     schema of MTProto itself (core.telegram.org/schema/mtproto), which has no layer.
//
//  4. Copy the file to every session node, set "Schema: /etc/teamgram/0.224.0.tls", restart. The hash in the log must be
//     the one that tlgen printed: then the node has loaded this file. The hash is computed from the .proto files alone, from
//     name, number and type of each field of each message, so two people with the same checkout get the same hash. It does
//     not prove that the BFF was built from these .proto files, nor that the TL files were the right ones.
//
// # How it works
//
//	.proto files ──protofile──▶ wire: messages, registered ids, rpcs ─┐
//	                                                                  ├─▶ builder ──▶ tlset.Set ──▶ OUT
//	.tl files ────tltext─────▶ versions: one text an id, layers ──────┘      └──▶ report
//	base set ─────fromSet──────▲
//
// The numbers and kinds of fields are those of the .proto files; which fields a constructor has, in which order and under
// which flags, is what the TL text says. They meet by name: see wire.field for the suffixes. An id that the .proto files do
// not register is left out, as the servers do not know it; one that no TL file explains cannot be read. The set ends
// before the first layer with a version of a constructor that is left out, while an older one is in and no newer one is;
// layers of a base count as those of TL files do. Methods find their request message (TL_auth_signIn, or with the id behind
// the name where versions were split) and through it their rpc.
package tlgencmd
