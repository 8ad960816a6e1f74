#!/bin/bash
# GramJS and teleproto throw a whole container away, with what they have already
# read of it, when one object in it has a constructor that they do not know.
#
# The messages of a container have nothing to do with each other, and the length
# of each is there so that a reader can step over what it cannot read. These two
# read all messages before they handle any: one update of a layer that is newer
# than theirs, and the answers in front of it and behind it are lost too, none of
# the messages is acknowledged, and the calls wait.
#
# So a server sends answers to such clients apart from updates: to put answers
# first does not help.
#
# The peer here is an object in place of the connection, with the client's key.
# The unknown constructor is made up.
#
# Versions: telegram (GramJS) 2.26.22, teleproto 214.1.7.
# Seen:
#   telegram: answer alone in a container: answered; in front of an unknown update: not answered within 3 s; behind it: not answered within 3 s
#   teleproto: answer alone in a container: answered; in front of an unknown update: not answered within 3 s; behind it: not answered within 3 s
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22 teleproto@214.1.7

cat > run.cjs <<'JS'
// A server of encrypted messages that takes the place of a client's connection.
const { createHash, randomBytes } = require('node:crypto')

const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest()
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
const within = (promise, ms) => Promise.race([
  promise.then(() => 'answered', (err) => err.message),
  new Promise((resolve) => setTimeout(resolve, ms, `not answered within ${ms / 1000} s`)),
])

class Peer {
  /** answer is told each message of the client: its id, constructor and body. */
  constructor(library, answer) {
    this.IGE = require(`${library}/crypto/IGE`).IGE
    this.key = randomBytes(256)
    this.answer = answer
    this.packets = []
    this.lastId = 0n
  }

  isConnected() { return true }
  async connect() {}
  async disconnect() {}
  toString() { return 'peer' }

  async recv() {
    while (this.packets.length === 0) await new Promise((resolve) => { this.wake = resolve })
    return this.packets.shift()
  }

  cipher(msgKey, x) {
    const a = sha256(msgKey, this.key.subarray(x, x + 36))
    const b = sha256(this.key.subarray(40 + x, 76 + x), msgKey)
    return new this.IGE(
      Buffer.concat([a.subarray(0, 8), b.subarray(8, 24), a.subarray(24)]),
      Buffer.concat([b.subarray(0, 8), a.subarray(8, 24), b.subarray(24)]),
    )
  }

  async send(packet) {
    const plain = this.cipher(packet.subarray(8, 24), 0).decryptIge(packet.subarray(24))
    this.session = plain.subarray(8, 16)
    const read = (at) => {
      const body = plain.subarray(at + 16, at + 16 + plain.readUInt32LE(at + 12))
      if (body.readUInt32LE() !== 0x73f1f8dc) { // msg_container
        this.answer({ id: plain.readBigUInt64LE(at), constructor: body.readUInt32LE(), body })
        return
      }
      for (let n = body.readUInt32LE(4), next = at + 24; n > 0; n--) {
        read(next)
        next += 16 + plain.readUInt32LE(next + 12)
      }
    }
    read(16)
  }

  nextId() {
    const now = (BigInt(Math.floor(Date.now() / 1000)) << 32n) | 1n
    this.lastId = now > this.lastId ? now : this.lastId + 4n
    return this.lastId
  }

  /** Sends one message; returns its id. */
  put(body, seqno) {
    const id = this.nextId()
    const head = Buffer.concat([Buffer.alloc(8), this.session, long(id), int(seqno), int(body.length)])
    const size = head.length + body.length
    const plain = Buffer.concat([head, body, randomBytes(12 + (16 - ((size + 12) % 16)) % 16)])
    const msgKey = sha256(this.key.subarray(96, 128), plain).subarray(8, 24)
    const keyId = createHash('sha1').update(this.key).digest().subarray(-8)
    this.packets.push(Buffer.concat([keyId, msgKey, this.cipher(msgKey, 8).encryptIge(plain)]))
    this.wake?.()
    return id
  }
}

/** The client's sender, with the peer's key and the peer for its connection. */
async function connect(library, answer) {
  const { MTProtoSender } = require(`${library}/network`)
  const { AuthKey } = require(`${library}/crypto/AuthKey`)
  const { Logger } = require(`${library}/extensions`)
  const peer = new Peer(library, answer)
  const authKey = new AuthKey()
  await authKey.setKey(peer.key)
  const sender = new MTProtoSender(authKey, {
    logger: new Logger('none'), dcId: 2, retries: 1, delay: 0, autoReconnect: false, client: {},
    isMainSender: false, securityChecks: true, _exportedSenderPromises: new Map(),
  })
  await sender.connect(peer, false)
  return { peer, sender }
}

// updateShort with an update of a later layer.
const unknown = Buffer.concat([int(0x78d4dec1), int(0x12345678), int(7), int(Date.now() / 1000)])

/** Calls, and has the answer sent in the container that pack makes of it. */
async function attempt(library, pack) {
  const { Api } = require(library)
  const nearestDc = new Api.NearestDc({ country: 'XX', thisDc: 2, nearestDc: 2 }).getBytes()
  const { peer, sender } = await connect(library, ({ id, constructor }) => {
    if (constructor !== 0x1fb33026) return // help.getNearestDc
    const bodies = pack(Buffer.concat([int(0xf35c6d01), long(id), nearestDc])) // rpc_result
    const messages = bodies.map((body) => Buffer.concat([long(peer.nextId()), int(1), int(body.length), body]))
    peer.put(Buffer.concat([int(0x73f1f8dc), int(bodies.length), ...messages]), 2)
  })
  return within(sender.send(new Api.help.GetNearestDc()), 3000)
}

async function main() {
  let asSeen = true
  for (const library of ['telegram', 'teleproto']) {
    const alone = await attempt(library, (answer) => [answer])
    const front = await attempt(library, (answer) => [answer, unknown])
    const behind = await attempt(library, (answer) => [unknown, answer])
    console.log(`${library}: answer alone in a container: ${alone}; in front of an unknown update: ${front}; behind it: ${behind}`)
    asSeen &&= alone === 'answered' && front !== 'answered' && behind !== 'answered'
  }
  process.exit(asSeen ? 0 : 1)
}
main()
JS
node run.cjs
