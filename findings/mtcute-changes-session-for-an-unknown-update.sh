#!/bin/bash
# mtcute gives up its session when it is sent one object that it does not know.
#
# The messages of a container have lengths, so that a reader can step over what
# it does not know, and updates that were missed are fetched as the difference.
# mtcute drops the connection, and the session with it.
# Of a call whose answer stood behind the object it asks in the new session, with
# msgs_state_req, what became of its id in the old one. A server that keeps ids
# by session knows nothing of it there and says so; the call is made again.
#
# So one update of a layer that is newer than the client's costs a session each
# time, and has a call carried out twice unless its answer stood in front, or the
# server knows in one session of the key what was received in another.
#
# The peer here is a socket that decrypts what comes. The unknown constructor is
# made up.
#
# Version: @mtcute/node 0.30.3.
# Seen:
#   answer alone: came 1 time, sessions: 1
#   answer in front of an unknown update: came 1 time, sessions: 2
#   answer behind an unknown update: came 2 times, sessions: 2
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

const crypto = new NodeCryptoProvider()
await crypto.initialize()

const int = (n) => Buffer.from([n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24])
const long = (n) => Buffer.from(BigInt.asUintN(64, n).toString(16).padStart(16, '0'), 'hex').reverse()
const nearestDc = Buffer.concat([int(0x8e1a1775), Buffer.from([2, 88, 88, 0]), int(2), int(2)])
// updateShort with an update of a later layer.
const unknown = Buffer.concat([int(0x78d4dec1), int(0x12345678), int(7), int(Date.now() / 1000)])

/** Has help.getNearestDc answered in the container that pack makes of the answer, once. */
async function attempt(pack) {
  const authKey = randomBytes(256)
  const keyId = createHash('sha1').update(authKey).digest().subarray(-8)
  const sessions = new Set()
  let calls = 0
  let last = 0n
  const nextId = () => {
    const now = (BigInt(Math.floor(Date.now() / 1000)) << 32n) | 1n
    last = now > last ? now : last + 4n
    return last
  }

  const peer = createServer((socket) => {
    let got = Buffer.alloc(0)
    let session
    const send = (body, seqno) => {
      const head = Buffer.concat([Buffer.alloc(8), session, long(nextId()), int(seqno), int(body.length)])
      const size = head.length + body.length
      const plain = Buffer.concat([head, body, randomBytes(12 + (16 - ((size + 12) % 16)) % 16)])
      const msgKey = createHash('sha256').update(authKey.subarray(96, 128)).update(plain).digest().subarray(8, 24)
      const packet = Buffer.concat([keyId, msgKey, createAesIgeForMessage(crypto, authKey, msgKey, false).encrypt(plain)])
      socket.write(Buffer.concat([int(packet.length), packet]))
    }
    const handle = (id, body) => {
      const constructor = body.readUInt32LE()
      if (constructor === 0xf3427b8c) send(Buffer.concat([int(0x347773c5), id, body.subarray(4, 12)]), 1) // a pong
      if (constructor === 0xda69fb52) { // msgs_state_req: nothing is known
        const info = Buffer.alloc(body.readUInt32LE(8), 1)
        const padding = Buffer.alloc((4 - ((info.length + 1) % 4)) % 4)
        send(Buffer.concat([int(0x04deb57d), id, Buffer.from([info.length]), info, padding]), 1)
      }
      if (!body.includes(int(0x1fb33026))) return // help.getNearestDc
      calls++
      const answer = Buffer.concat([int(0xf35c6d01), id, nearestDc]) // rpc_result
      const bodies = calls === 1 ? pack(answer) : [answer]
      const messages = bodies.map((b) => Buffer.concat([long(nextId()), int(1), int(b.length), b]))
      send(Buffer.concat([int(0x73f1f8dc), int(bodies.length), ...messages]), 2)
    }
    const read = (plain, at) => {
      const body = plain.subarray(at + 16, at + 16 + plain.readUInt32LE(at + 12))
      if (body.readUInt32LE() !== 0x73f1f8dc) return handle(plain.subarray(at, at + 8), body)
      for (let n = body.readUInt32LE(4), next = at + 24; n > 0; n--) {
        read(plain, next)
        next += 16 + plain.readUInt32LE(next + 12)
      }
    }
    socket.on('error', () => {})
    socket.on('data', (data) => {
      got = Buffer.concat([got, data])
      if (got.length >= 4 && got.readUInt32LE() === 0xeeeeeeee) got = got.subarray(4) // intermediate
      while (got.length >= 4 && got.length >= 4 + got.readUInt32LE()) {
        const packet = got.subarray(4, 4 + got.readUInt32LE())
        got = got.subarray(4 + packet.length)
        const plain = Buffer.from(createAesIgeForMessage(crypto, authKey, packet.subarray(8, 24), true).decrypt(packet.subarray(24)))
        session = plain.subarray(8, 16)
        sessions.add(session.toString('hex'))
        read(plain, 16)
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
  const timeout = new Promise((resolve) => setTimeout(resolve, 15_000))
  await Promise.race([client.call({ _: 'help.getNearestDc' }), timeout])
  await new Promise((resolve) => setTimeout(resolve, 5000)) // for a new connection to say something
  return { calls, sessions: sessions.size }
}

let asSeen = true
for (const [name, pack, calls, sessions] of [
  ['answer alone', (answer) => [answer], 1, 1],
  ['answer in front of an unknown update', (answer) => [answer, unknown], 1, 2],
  ['answer behind an unknown update', (answer) => [unknown, answer], 2, 2],
]) {
  const seen = await attempt(pack)
  console.log(`${name}: came ${seen.calls} ${seen.calls === 1 ? 'time' : 'times'}, sessions: ${seen.sessions}`)
  asSeen &&= seen.calls === calls && seen.sessions === sessions
}
process.exit(asSeen ? 0 : 1)
JS
node run.mjs
