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
