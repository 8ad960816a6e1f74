#!/bin/bash
# GramJS throws away what follows an rpc_error in the same container.
#
# A container is a packet of messages that have nothing to do with each other.
# GramJS handles them in a loop that an rpc_error ends, for the error is thrown
# through it: answers to other calls and updates behind it are never looked at,
# though the packet has arrived and nothing else is wrong with it. Their callers
# wait until the server sends them again. The client also acknowledges, in place
# of the server's message, the id of its own call.
#
# The peer here is an object in place of the connection, with the client's key.
#
# Version: telegram (GramJS) 2.26.22.
# Seen:
#   error first: the other call was not answered within 3 s
#   error last: the other call was answered
#   acknowledged: its own call
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22

cat > run.cjs <<'JS'
const { createHash, randomBytes } = require('node:crypto')
const { Api } = require('telegram')
const { MTProtoSender } = require('telegram/network')
const { AuthKey } = require('telegram/crypto/AuthKey')
const { IGE } = require('telegram/crypto/IGE')
const { Logger } = require('telegram/extensions')
const { serializeBytes } = require('telegram/tl')

const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest()
const int = (n) => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n >>> 0)
  return b
}

/** A connection that is the server: it answers by what answer() says. */
class Peer {
  constructor(key, answer) {
    this.key = key
    this.answer = answer
    this.keyId = createHash('sha1').update(key).digest().subarray(-8)
    this.queue = []
    this.last = 0n
  }

  isConnected() { return true }
  async connect() {}
  async disconnect() {}
  toString() { return 'peer' }

  recv() {
    return new Promise((resolve) => {
      this.waiting = resolve
      this.deliver()
    })
  }

  deliver() {
    if (!this.waiting || this.queue.length === 0) return
    this.waiting(this.queue.shift())
    this.waiting = undefined
  }

  cipher(msgKey, x) {
    const a = sha256(msgKey, this.key.subarray(x, x + 36))
    const b = sha256(this.key.subarray(40 + x, 76 + x), msgKey)
    return new IGE(
      Buffer.concat([a.subarray(0, 8), b.subarray(8, 24), a.subarray(24)]),
      Buffer.concat([b.subarray(0, 8), a.subarray(8, 24), b.subarray(24)]),
    )
  }

  async send(packet) {
    const plain = this.cipher(packet.subarray(8, 24), 0).decryptIge(packet.subarray(24))
    this.session = plain.subarray(8, 16)
    const messages = []
    const read = (at) => {
      const body = plain.subarray(at + 16, at + 16 + plain.readUInt32LE(at + 12))
      if (body.readUInt32LE() !== 0x73f1f8dc) { // msg_container
        messages.push({ id: plain.readBigUInt64LE(at), body })
        return
      }
      for (let n = body.readUInt32LE(4), next = at + 24; n > 0; n--) {
        read(next)
        next += 16 + plain.readUInt32LE(next + 12)
      }
    }
    read(16)
    this.answer(messages)
  }

  id() {
    const now = (BigInt(Math.floor(Date.now() / 1000)) << 32n) | 1n
    this.last = now > this.last ? now : this.last + 4n
    const b = Buffer.alloc(8)
    b.writeBigUInt64LE(this.last)
    return b
  }

  /** Sends bodies in one container. */
  reply(bodies) {
    const inner = bodies.map((body) => Buffer.concat([this.id(), int(1), int(body.length), body]))
    const body = Buffer.concat([int(0x73f1f8dc), int(bodies.length), ...inner])
    const head = Buffer.concat([Buffer.alloc(8), this.session, this.id(), int(2), int(body.length)])
    const size = head.length + body.length
    const plain = Buffer.concat([head, body, randomBytes(12 + (16 - ((size + 12) % 16)) % 16)])
    const msgKey = sha256(this.key.subarray(96, 128), plain).subarray(8, 24)
    this.queue.push(Buffer.concat([this.keyId, msgKey, this.cipher(msgKey, 8).encryptIge(plain)]))
    this.deliver()
  }
}

function result(id, object) {
  const head = Buffer.alloc(12)
  head.writeUInt32LE(0xf35c6d01) // rpc_result
  head.writeBigUInt64LE(id, 4)
  return Buffer.concat([head, object])
}
const rpcError = Buffer.concat([int(0x2144ca19), int(400), serializeBytes('SOME_ERROR')])
const nearestDc = new Api.NearestDc({ country: 'XX', thisDc: 2, nearestDc: 2 }).getBytes()

/** Makes two calls and answers both in one container. */
async function attempt(errorFirst) {
  const key = randomBytes(256)
  const calls = new Map() // ids by what was called
  const acks = new Set()
  const peer = new Peer(key, (messages) => {
    for (const { id, body } of messages) {
      const constructor = body.readUInt32LE()
      if (constructor === 0xc4f9186b) calls.set('getConfig', id)
      if (constructor === 0x1fb33026) calls.set('getNearestDc', id)
      if (constructor === 0x62d6b459) { // msgs_ack
        for (let i = 0; i < body.readUInt32LE(8); i++) acks.add(body.readBigUInt64LE(12 + 8 * i))
      }
    }
    if (calls.size < 2 || peer.answered) return
    peer.answered = true
    const answers = [result(calls.get('getConfig'), rpcError), result(calls.get('getNearestDc'), nearestDc)]
    peer.reply(errorFirst ? answers : answers.reverse())
  })
  const authKey = new AuthKey()
  await authKey.setKey(key)
  const sender = new MTProtoSender(authKey, {
    logger: new Logger('none'), dcId: 2, retries: 1, delay: 0, autoReconnect: false, client: {},
    isMainSender: false, securityChecks: true, _exportedSenderPromises: new Map(),
  })
  await sender.connect(peer, false)
  const refused = sender.send(new Api.help.GetConfig()).then(() => 'answered', (err) => err.errorMessage)
  const other = sender.send(new Api.help.GetNearestDc()).then(() => true)
  const answered = await Promise.race([other, new Promise((resolve) => setTimeout(resolve, 3000, false))])
  return { refused: await refused, answered, ackedOwn: acks.has(calls.get('getConfig')) }
}

async function main() {
  const first = await attempt(true)
  const last = await attempt(false)
  console.log(`error first: the other call was ${first.answered ? 'answered' : 'not answered within 3 s'}`)
  console.log(`error last: the other call was ${last.answered ? 'answered' : 'not answered within 3 s'}`)
  console.log(`acknowledged: ${first.ackedOwn ? 'its own call' : 'nothing of its own'}`)
  const asSeen = first.refused === 'SOME_ERROR' && last.refused === 'SOME_ERROR' && !first.answered && last.answered && first.ackedOwn
  process.exit(asSeen ? 0 : 1)
}
main()
JS
node run.cjs
