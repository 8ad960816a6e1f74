#!/bin/bash
# mtcute numbers its service messages as if they asked for an acknowledgment.
#
# The protocol gives odd seqnos to messages that have to be acknowledged and
# even ones to those that must not be, and names the latter: acks, containers,
# pings and the like. mtcute gives odd ones to its msgs_ack, get_future_salts
# and ping_delay_disconnect; only its container is even. A server that holds
# clients to the rule answers bad_msg_notification 34 or 35, whereupon mtcute
# takes a new session and sends the same again.
#
# The peer here is a socket that decrypts what comes and answers it with a pong
# and a new_session_created, so that there is something to acknowledge.
#
# Version: @mtcute/node 0.30.3.
# Seen:
#   msg_container 10 even
#   ping_delay_disconnect 1 odd
#   invokeWithLayer 9 odd
#   msgs_ack 5 odd
#   get_future_salts 7 odd
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

const names = {
  0x73f1f8dc: 'msg_container', 0x62d6b459: 'msgs_ack', 0xf3427b8c: 'ping_delay_disconnect',
  0xb921bd04: 'get_future_salts', 0xda9b0d0d: 'invokeWithLayer',
}
const service = ['msgs_ack', 'ping_delay_disconnect', 'get_future_salts']

const authKey = randomBytes(256)
const keyId = createHash('sha1').update(authKey).digest().subarray(-8)
const crypto = new NodeCryptoProvider()
await crypto.initialize()

const seqnos = new Map() // by name
let session // of the client, 8 bytes

/** Decrypts a packet of the client and returns its messages, the outer first. */
function open(packet) {
  const plain = Buffer.from(createAesIgeForMessage(crypto, authKey, packet.subarray(8, 24), true).decrypt(packet.subarray(24)))
  session = plain.subarray(8, 16)
  const messages = []
  const read = (at) => {
    const constructor = plain.readUInt32LE(at + 16)
    messages.push({ id: plain.subarray(at, at + 8), seqno: plain.readUInt32LE(at + 8), name: names[constructor], body: plain.subarray(at + 16) })
    if (names[constructor] === 'msg_container') {
      let next = at + 24
      for (let n = plain.readUInt32LE(at + 20); n > 0; n--) {
        read(next)
        next += 16 + plain.readUInt32LE(next + 12)
      }
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

const long = (n) => Buffer.from(BigInt.asUintN(64, n).toString(16).padStart(16, '0'), 'hex').reverse()
const int = (n) => Buffer.from([n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24])

const peer = createServer((socket) => {
  let got = Buffer.alloc(0)
  const send = (packet) => socket.write(Buffer.concat([int(packet.length), packet]))
  socket.on('error', () => {})
  socket.on('data', (data) => {
    got = Buffer.concat([got, data])
    if (got.length >= 4 && got.readUInt32LE() === 0xeeeeeeee) got = got.subarray(4) // intermediate
    while (got.length >= 4 && got.length >= 4 + got.readUInt32LE()) {
      const packet = got.subarray(4, 4 + got.readUInt32LE())
      got = got.subarray(4 + packet.length)
      for (const { id, seqno, name, body } of open(packet)) {
        if (name) seqnos.set(name, seqno)
        if (name !== 'ping_delay_disconnect') continue
        send(seal(Buffer.concat([int(0x347773c5), id, body.subarray(4, 12)]), 1, 1n)) // pong
        send(seal(Buffer.concat([int(0x9ec20908), id, long(1n), long(77n)]), 3, 3n)) // new_session_created
        setTimeout(() => client.call({ _: 'help.getConfig' }).catch(() => {}), 200)
      }
      if (service.every((name) => seqnos.has(name))) done()
    }
  })
})
await new Promise((resolve) => peer.listen(0, '127.0.0.1', resolve))

const main = { id: 2, ipAddress: '127.0.0.1', port: peer.address().port }
const client = new TelegramClient({
  apiId: 1, apiHash: 'x', storage: new MemoryStorage(), defaultDcs: { main, media: main }, logLevel: 0,
})
await client.importSession({ version: 3, primaryDcs: { main, media: main }, authKey: new Uint8Array(authKey), self: null })
const timeout = setTimeout(done, 20_000)
await client.connect()

function done() {
  clearTimeout(timeout)
  for (const [name, seqno] of seqnos) console.log(name, seqno, seqno % 2 === 0 ? 'even' : 'odd')
  const asSeen = service.every((name) => seqnos.get(name) % 2 === 1) && seqnos.get('msg_container') % 2 === 0
  process.exit(asSeen ? 0 : 1)
}
JS
node run.mjs
