#!/bin/bash
# GramJS and teleproto answer msgs_state_req with no states, or not at all.
#
# A server may ask with msgs_state_req what became of its messages. The
# documentation ("Service Messages about Messages") has a client answer with
# msgs_state_info, whose info holds exactly one byte for each id asked for. These
# two multiply a byte by the list of ids where they mean its length: for two ids
# or more that makes an empty info, and for one id an error, and no answer.
# Calls under way go on as if nothing had been.
#
# So a server cannot learn from such clients what they have, must not take a
# short info for "unknown", nor wait for the answer.
#
# The peer here is an object in place of the connection, with the client's key.
#
# Versions: telegram (GramJS) 2.26.22, teleproto 214.1.7.
# Seen:
#   telegram: asked for 1: no answer; asked for 2: info of 0 bytes; asked for 3: info of 0 bytes; calls: answered
#   teleproto: asked for 1: no answer; asked for 2: info of 0 bytes; asked for 3: info of 0 bytes; calls: answered
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

/** Asks the client for the states of as many ids and returns what it says. */
async function ask(library, count) {
  const { Api } = require(library)
  const nearestDc = new Api.NearestDc({ country: 'XX', thisDc: 2, nearestDc: 2 }).getBytes()
  let question
  let info = 'no answer'
  const { peer, sender } = await connect(library, ({ id, constructor, body }) => {
    if (constructor === 0x04deb57d && body.readBigUInt64LE(4) === question) { // msgs_state_info
      info = `info of ${body[12]} bytes`
    }
    if (constructor !== 0x1fb33026) return // help.getNearestDc
    // It is asked for ids of messages that it was never sent.
    const ids = Array.from({ length: count }, () => long(peer.nextId()))
    question = peer.put(Buffer.concat([int(0xda69fb52), int(0x1cb5c415), int(count), ...ids]), 1)
    setTimeout(() => peer.put(Buffer.concat([int(0xf35c6d01), long(id), nearestDc]), 3), 1500) // rpc_result
  })
  const call = await within(sender.send(new Api.help.GetNearestDc()), 5000)
  return { info, call }
}

async function main() {
  let asSeen = true
  for (const library of ['telegram', 'teleproto']) {
    const answers = [await ask(library, 1), await ask(library, 2), await ask(library, 3)]
    const calls = [...new Set(answers.map(({ call }) => call))].join(', ')
    console.log(`${library}: ${answers.map(({ info }, i) => `asked for ${i + 1}: ${info}`).join('; ')}; calls: ${calls}`)
    const infos = answers.map(({ info }) => info).join()
    asSeen &&= infos === 'no answer,info of 0 bytes,info of 0 bytes' && calls === 'answered'
  }
  process.exit(asSeen ? 0 : 1)
}
main()
JS
node run.cjs
