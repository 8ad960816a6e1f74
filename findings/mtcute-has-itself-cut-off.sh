#!/bin/bash
# An idle mtcute is cut off every seven seconds, because it asks for it.
#
# ping_delay_disconnect asks the server to close the connection unless another
# ping comes within so many seconds. mtcute asks for 7 while it waits for an
# answer, and is idle right after it: then it pings once a minute. The server
# closes after 7 s, mtcute dials again, its first call makes it ask for 7 s, and
# so on for as long as nobody uses it.
#
# The peer here answers pings and calls, acknowledges nothing else, and closes
# when it was asked to. The client does nothing for half a minute.
#
# Version: @mtcute/node 0.30.3.
# Seen:
#   0 s: connected
#   0 s: ping_delay_disconnect 7
#   7 s: connected
#   7 s: ping_delay_disconnect 7
#   14 s: connected
#   …
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @mtcute/node@0.30.3 @mtcute/core@0.30.3

cat > run.mjs <<'JS'
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { MemoryStorage, TelegramClient } from '@mtcute/node'
import { createAesIgeForMessage, NodeCryptoProvider } from '@mtcute/node/utils.js'

const authKey = randomBytes(256)
const keyId = createHash('sha1').update(authKey).digest().subarray(-8)
const crypto = new NodeCryptoProvider()
await crypto.initialize()

let session // of the client, 8 bytes

/** Decrypts a packet of the client and returns its messages. */
function open(packet) {
  const plain = Buffer.from(createAesIgeForMessage(crypto, authKey, packet.subarray(8, 24), true).decrypt(packet.subarray(24)))
  session = plain.subarray(8, 16)
  const messages = []
  const read = (at) => {
    const body = plain.subarray(at + 16)
    if (body.readUInt32LE() !== 0x73f1f8dc) { // msg_container
      messages.push({ id: plain.subarray(at, at + 8), constructor: body.readUInt32LE(), body })
      return
    }
    for (let n = body.readUInt32LE(4), next = at + 24; n > 0; n--) {
      read(next)
      next += 16 + plain.readUInt32LE(next + 12)
    }
  }
  read(16)
  return messages
}

let last = 0n
/** Encrypts a message of the server: kind 1 is an answer, 3 is not. */
function seal(body, seqno, kind) {
  const now = (BigInt(Math.floor(Date.now() / 1000)) << 32n) | kind
  last = now > last ? now : last + 4n
  const head = Buffer.alloc(32)
  session.copy(head, 8)
  head.writeBigInt64LE(last, 16)
  head.writeUInt32LE(seqno, 24)
  head.writeUInt32LE(body.length, 28)
  const size = head.length + body.length
  const plain = Buffer.concat([head, body, randomBytes(12 + (16 - ((size + 12) % 16)) % 16)])
  const msgKey = createHash('sha256').update(authKey.subarray(96, 128)).update(plain).digest().subarray(8, 24)
  return Buffer.concat([keyId, msgKey, createAesIgeForMessage(crypto, authKey, msgKey, false).encrypt(plain)])
}

const int = (n) => Buffer.from([n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24])

const started = performance.now()
const tell = (what) => console.log(`${Math.round((performance.now() - started) / 1000)} s: ${what}`)
let connections = 0
const delays = new Set()

const peer = createServer((socket) => {
  connections++
  tell('connected')
  let got = Buffer.alloc(0)
  let closing
  const send = (packet) => socket.write(Buffer.concat([int(packet.length), packet]))
  socket.on('error', () => {})
  socket.on('close', () => clearTimeout(closing))
  socket.on('data', (data) => {
    got = Buffer.concat([got, data])
    if (got.length >= 4 && got.readUInt32LE() === 0xeeeeeeee) got = got.subarray(4) // intermediate
    while (got.length >= 4 && got.length >= 4 + got.readUInt32LE()) {
      const packet = got.subarray(4, 4 + got.readUInt32LE())
      got = got.subarray(4 + packet.length)
      for (const { id, constructor, body } of open(packet)) {
        if (constructor === 0xf3427b8c) { // ping_delay_disconnect
          const delay = body.readInt32LE(12)
          tell(`ping_delay_disconnect ${delay}`)
          delays.add(delay)
          clearTimeout(closing)
          closing = setTimeout(() => socket.destroy(), delay * 1000)
          send(seal(Buffer.concat([int(0x347773c5), id, body.subarray(4, 12)]), 1, 1n)) // pong
        }
        if (constructor === 0xda9b0d0d || constructor === 0xedd4882a) { // invokeWithLayer, updates.getState
          const state = Buffer.concat([int(0xa56c2a3e), int(1), int(0), int(started / 1000), int(1), int(0)])
          send(seal(Buffer.concat([int(0xf35c6d01), id, state]), 3, 1n)) // rpc_result
        }
      }
    }
  })
})
await new Promise((resolve) => peer.listen(0, '127.0.0.1', resolve))

const main = { id: 2, ipAddress: '127.0.0.1', port: peer.address().port }
const client = new TelegramClient({
  apiId: 1, apiHash: 'x', storage: new MemoryStorage(), defaultDcs: { main, media: main }, logLevel: 0,
})
await client.importSession({ version: 3, primaryDcs: { main, media: main }, authKey: new Uint8Array(authKey), self: null })
await client.connect()
await new Promise((resolve) => setTimeout(resolve, 30_000))
process.exit(connections >= 4 && delays.has(7) ? 0 : 1)
JS
node run.mjs
