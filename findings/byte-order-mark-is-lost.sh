#!/bin/bash
# mtcute and @mtproto/core lose the first character of a text that begins with
# U+FEFF, and read its entities one place off.
#
# A string of TL is UTF-8, and U+FEFF is a character like others in it (people
# put it in front of a text to have an empty first character, and files begin
# with it as "byte order mark"). Both libraries decode strings with TextDecoder
# in its default mode, which takes a leading U+FEFF for a mark and drops it. The
# entities of a message count from the start of the text as it was sent: each
# now covers the wrong characters. A string that such a client reads and sends
# back is another string. GramJS keeps the character.
#
# So a server that echoes or compares what clients send back (titles, button
# texts, file names) cannot count on the same bytes, and had better strip U+FEFF
# itself, with the entities' offsets, before it stores a text.
#
# Versions: @mtcute/core and node 0.30.3, @mtproto/core 6.3.0, telegram (GramJS) 2.26.22.
# Seen, of the text "U+FEFF bold plain" with "bold" in bold, at offset 1:
#   mtcute: the text has 10 characters, bold is "old "
#   @mtproto/core: the text has 10 characters, bold is "old "
#   GramJS: the text has 11 characters, bold is "bold"
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  telegram@2.26.22 @mtcute/node@0.30.3 @mtcute/core@0.30.3 @mtcute/tl-runtime@0.30.3 @mtproto/core@6.3.0

cat > run.mjs <<'JS'
import { createRequire } from 'node:module'
import { __tlReaderMap } from '@mtcute/node/utils.js'
import { TlBinaryReader } from '@mtcute/tl-runtime'

const require = createRequire(import.meta.url)
const { BinaryReader } = require('telegram/extensions')
const Deserializer = require('@mtproto/core/src/tl/deserializer')

const int = (n) => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n >>> 0)
  return b
}
const string = (s) => {
  const text = Buffer.from(s)
  return Buffer.concat([Buffer.from([text.length]), text, Buffer.alloc((4 - ((text.length + 1) % 4)) % 4)])
}

// help.termsOfService: a text and its entities, alike in all three schemas.
const bold = Buffer.concat([int(0xbd610bc9), int(1), int(4)]) // messageEntityBold
const message = Buffer.concat([
  int(0x780a0310), int(0), int(0x7d748d04), string('{}'), // no flags; dataJSON
  string('\uFEFFbold plain'), int(0x1cb5c415), int(1), bold,
])

const read = {
  mtcute: () => new TlBinaryReader(__tlReaderMap, new Uint8Array(message)).object(),
  '@mtproto/core': () => new Deserializer(new Uint8Array(message).buffer).predicate(),
  GramJS: () => new BinaryReader(message).tgReadObject(),
}
const seen = {}
for (const [library, parse] of Object.entries(read)) {
  const { text, entities: [{ offset, length }] } = parse()
  seen[library] = text.slice(offset, offset + length)
  console.log(`${library}: the text has ${text.length} characters, bold is "${seen[library]}"`)
}
const asSeen = seen.mtcute === 'old ' && seen['@mtproto/core'] === 'old ' && seen.GramJS === 'bold'
process.exit(asSeen ? 0 : 1)
JS
node run.mjs
