#!/bin/bash
# @mtproto/core reads a result that is a vector of numbers as so many undefined,
# and after a vector of longs cannot read the rest of a container.
#
# Some calls are answered with Vector<int> or Vector<long>: contacts.getContactIDs,
# photos.deletePhotos, messages.receivedQueue. What stands in such a vector has no
# constructors. The library reads each result as boxed objects, and each number as
# the constructor of one: it knows none, says so on the console, and puts
# undefined. Of a long it takes the first half only. It does not go by the
# lengths in a container either, so that the message behind such an answer
# starts in the middle of the numbers and is lost, with all that follow it.
#
# So a server sends such an answer alone, or as the last of its container.
#
# Version: @mtproto/core 6.3.0.
# Seen:
#   alone: Vector<int> of 2: undefined,undefined; Vector<long> of 2: undefined,undefined
#   in a container, with a pong behind: after Vector<int>: mt_pong; after Vector<long>: undefined
#   in a container, with a pong in front: before Vector<long>: mt_pong
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @mtproto/core@6.3.0

cat > run.cjs <<'JS'
const Deserializer = require('@mtproto/core/src/tl/deserializer')

const int = (n) => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n >>> 0)
  return b
}
const long = (n) => {
  const b = Buffer.alloc(8)
  b.writeBigUInt64LE(n)
  return b
}
const read = (...parts) => new Deserializer(new Uint8Array(Buffer.concat(parts)).buffer).predicate()
const result = (numbers) => Buffer.concat([int(0xf35c6d01), long(8n), int(0x1cb5c415), int(numbers.length), ...numbers]) // rpc_result
const pong = Buffer.concat([int(0x347773c5), long(4n), long(9n)])
/** Reads a container of bodies; returns those that came out. */
const container = (...bodies) => {
  const messages = bodies.map((body, i) => Buffer.concat([long(BigInt(4 * i + 1)), int(1), int(body.length), body]))
  return read(int(0x73f1f8dc), int(bodies.length), ...messages).messages.map(({ body }) => body)
}
console.log = () => {} // where the library says that it knows no such constructor

const ints = result([int(1001), int(1002)])
const longs = result([long(1001n), long(1002n)])
const seen = {
  alone: [read(ints), read(longs)].map(({ result }) => result.map(String).join()),
  behind: [container(ints, pong)[1]?._, container(longs, pong)[1]?._].map(String),
  front: String(container(pong, longs)[0]?._),
}
console.info(`alone: Vector<int> of 2: ${seen.alone[0]}; Vector<long> of 2: ${seen.alone[1]}`)
console.info(`in a container, with a pong behind: after Vector<int>: ${seen.behind[0]}; after Vector<long>: ${seen.behind[1]}`)
console.info(`in a container, with a pong in front: before Vector<long>: ${seen.front}`)
const asSeen = seen.alone.every((s) => s === 'undefined,undefined') && seen.behind.join() === 'mt_pong,undefined' && seen.front === 'mt_pong'
process.exit(asSeen ? 0 : 1)
JS
node run.cjs
