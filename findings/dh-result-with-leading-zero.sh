#!/bin/bash
# One key exchange in 256 fails in GramJS, mtcute and @mtproto/core.
#
# The auth key is the Diffie-Hellman result, a number below a prime of 2048
# bits, and the protocol counts it as 2048 bits. The three libraries write the
# number without its leading zero bytes. When there is one they hash 255 bytes
# where the server hashes 256, find that the server's dh_gen_ok is wrong, and
# give up: GramJS and mtcute throw and dial again, @mtproto/core has already
# stored the short key and throws where nobody catches it.
#
# The script is the server of each exchange. Each library's own source of
# random bytes hands it one of two secrets: one whose result has a leading
# zero byte, and one whose result has none.
#
# Versions: telegram (GramJS) 2.26.22, @mtcute/node 0.30.3, @mtproto/core 6.3.0.
# Seen:
#   GramJS: full result: ok; leading zero: Step 3 invalid new nonce hash
#   mtcute: full result: ok; leading zero: Step 4: invalid nonce hash from server
#   @mtproto/core: full result: ok; leading zero: Invalid hash in mt_dh_gen_ok
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  telegram@2.26.22 @mtcute/node@0.30.3 @mtcute/core@0.30.3 @mtproto/core@6.3.0

cat > server.mjs <<'JS'
// The server's side of the key exchange, on TL as bytes.
import { constants, createCipheriv, createDecipheriv, createHash, generateKeyPairSync, privateDecrypt, randomBytes } from 'node:crypto'

export const sha1 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha1')).digest()
const sha256 = (data) => createHash('sha256').update(data).digest()

const prime = BigInt('0xc71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b')

function power(base, exponent) {
  let result = 1n
  for (base %= prime; exponent > 0n; exponent >>= 1n, base = (base * base) % prime) {
    if (exponent & 1n) result = (result * base) % prime
  }
  return result
}

const number = (bytes) => BigInt('0x' + Buffer.from(bytes).toString('hex'))
const bytes256 = (n) => Buffer.from(n.toString(16).padStart(512, '0'), 'hex')
const int = (n) => {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(n >>> 0)
  return b
}
const string = (s) => {
  const head = s.length < 254 ? Buffer.from([s.length]) : Buffer.from([254, s.length & 255, s.length >> 8, 0])
  return Buffer.concat([head, s, Buffer.alloc((4 - ((head.length + s.length) % 4)) % 4)])
}
/** Reads a string of TL; returns it and what follows. */
function cut(b) {
  const long = b[0] === 254
  const length = long ? b.readUIntLE(1, 3) : b[0]
  const start = long ? 4 : 1
  return [b.subarray(start, start + length), b.subarray(Math.ceil((start + length) / 4) * 4)]
}

/** AES-256 in IGE mode; the blocks' cipher is node's ECB. */
function ige(data, key, iv, encrypt) {
  const cipher = (encrypt ? createCipheriv : createDecipheriv)('aes-256-ecb', key, null).setAutoPadding(false)
  let [x, y] = encrypt ? [iv.subarray(0, 16), iv.subarray(16)] : [iv.subarray(16), iv.subarray(0, 16)]
  const out = []
  for (let i = 0; i < data.length; i += 16) {
    const block = data.subarray(i, i + 16)
    const result = xor(cipher.update(xor(block, x)), y)
    out.push(result)
    ;[x, y] = [result, block]
  }
  return Buffer.concat(out)
}
const xor = (a, b) => Buffer.from(a.map((v, i) => v ^ b[i]))

// A fingerprint without a leading zero, which two of the libraries cannot find.
let pair, print
do {
  pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n, e } = pair.publicKey.export({ format: 'jwk' })
  print = sha1(string(Buffer.from(n, 'base64url')), string(Buffer.from(e, 'base64url'))).subarray(-8)
} while (print[7] < 16)
export const publicKey = pair.publicKey
export const fingerprint = print.readBigUInt64LE()

const a = number(randomBytes(256))
const ga = power(3n, a)

/** A client's secret whose result has a leading zero byte, or has none. */
export function secret(zero) {
  for (;;) {
    const b = randomBytes(256)
    if ((power(ga, number(b)) >> 2040n === 0n) === zero) return b
  }
}

/** A server of one exchange: takes the bytes of a call, returns those of its answer. */
export function exchange() {
  const serverNonce = randomBytes(16)
  let nonce, newNonce, key, iv
  return (call) => {
    call = Buffer.from(call)
    nonce = call.subarray(4, 20)
    switch (call.readUInt32LE()) {
      case 0xbe7e8ef1: // req_pq_multi
        return Buffer.concat([int(0x05162463), nonce, serverNonce, string(Buffer.from('17ed48941a08f981', 'hex')),
          int(0x1cb5c415), int(1), print])
      case 0xd712e4be: { // req_DH_params
        let rest = call.subarray(36)
        for (let i = 0; i < 2; i++) [, rest] = cut(rest)
        const [sealed] = cut(rest.subarray(8))
        newNonce = readNewNonce(sealed)
        const [h1, h2, h3] = [sha1(newNonce, serverNonce), sha1(serverNonce, newNonce), sha1(newNonce, newNonce)]
        key = Buffer.concat([h1, h2.subarray(0, 12)])
        iv = Buffer.concat([h2.subarray(12), h3, newNonce.subarray(0, 4)])
        const inner = Buffer.concat([int(0xb5890dba), nonce, serverNonce, int(3), string(bytes256(prime)), string(bytes256(ga)),
          int(Date.now() / 1000)])
        const plain = Buffer.concat([sha1(inner), inner])
        const padded = Buffer.concat([plain, randomBytes((16 - (plain.length % 16)) % 16)])
        return Buffer.concat([int(0xd0e8075c), nonce, serverNonce, string(ige(padded, key, iv, true))])
      }
      case 0xf5045f1f: { // set_client_DH_params
        const [sealed] = cut(call.subarray(36))
        const [gb] = cut(ige(sealed, key, iv, false).subarray(20 + 44))
        const authKey = bytes256(power(number(gb), a))
        const hash = sha1(newNonce, Buffer.from([1]), sha1(authKey).subarray(0, 8)).subarray(4)
        return Buffer.concat([int(0x3bcbf734), nonce, serverNonce, hash]) // dh_gen_ok
      }
    }
    throw new Error('unexpected call')
  }
}

/** Undoes RSA, with either padding, and reads the client's nonce out of p_q_inner_data. */
function readNewNonce(sealed) {
  const open = privateDecrypt({ key: pair.privateKey, padding: constants.RSA_NO_PADDING }, sealed)
  const inner = [0x83c95aec, 0xa9f55f95]
  let data = open.subarray(21) // a zero byte and SHA-1 before it
  if (!inner.includes(data.readUInt32LE())) {
    const encrypted = open.subarray(32)
    const tempKey = xor(open.subarray(0, 32), sha256(encrypted))
    data = Buffer.from(ige(encrypted, tempKey, Buffer.alloc(32), false).subarray(0, 192)).reverse()
  }
  let rest = data.subarray(4)
  for (let i = 0; i < 3; i++) [, rest] = cut(rest)
  return rest.subarray(32, 64)
}
JS

cat > run.mjs <<'JS'
import { EventEmitter, once } from 'node:events'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { exchange, fingerprint, publicKey, secret } from './server.mjs'

const require = createRequire(import.meta.url)
const { n, e } = publicKey.export({ format: 'jwk' })
const modulus = Buffer.from(n, 'base64url')
const exponent = Buffer.from(e, 'base64url')

async function gramjs(b) {
  const { doAuthentication } = require('telegram/network/Authenticator.js')
  const helpers = require('telegram/Helpers.js')
  const { BinaryReader, Logger } = require('telegram/extensions')
  const number = (bytes) => helpers.readBigIntFromBuffer(bytes, false, false)
  require('telegram/crypto/RSA.js')._serverKeys.set(BigInt.asIntN(64, fingerprint).toString(), { n: number(modulus), e: 65537 })
  const random = helpers.generateRandomBytes
  helpers.generateRandomBytes = (size) => (size === 256 ? b : random(size))
  const server = exchange()
  const sender = { send: async (request) => new BinaryReader(server(request.getBytes())).tgReadObject() }
  const { authKey } = await doAuthentication(sender, new Logger('none'))
  return authKey.getKey().length
}

async function mtcute(b) {
  const core = pathToFileURL(require.resolve('@mtcute/core')) + '/../'
  const { doAuthorization } = await import(new URL('network/authorization.js', core))
  const { addPublicKey, NodeCryptoProvider, __tlReaderMap, __tlWriterMap } = await import('@mtcute/node/utils.js')
  const { Long } = await import('@mtcute/core')
  const crypto = new NodeCryptoProvider()
  await crypto.initialize()
  addPublicKey(crypto, publicKey.export({ type: 'pkcs1', format: 'pem' }))
  const random = crypto.randomBytes.bind(crypto)
  crypto.randomBytes = (size) => (size === 256 ? new Uint8Array(b) : random(size))
  const log = { create: () => log, verbose() {}, debug() {}, info() {}, warn() {}, error() {} }
  const server = exchange()
  const answers = []
  const connection = {
    log,
    params: { dc: { id: 2 } },
    _session: { _readerMap: __tlReaderMap, _writerMap: __tlWriterMap, getMessageId: () => Long.ONE, updateTimeOffset() {} },
    send: async (packet) => answers.push(Buffer.concat([Buffer.alloc(20), server(packet.subarray(20))])),
    waitForUnencryptedMessage: async () => answers.shift(),
  }
  const [authKey] = await doAuthorization(connection, crypto)
  return authKey.length
}

async function mtprotoCore(b) {
  const RPC = require('@mtproto/core/src/rpc')
  const Crypto = require('@mtproto/core/src/crypto')
  const env = (name) => require(`@mtproto/core/envs/node/${name}`)
  const random = env('get-random-bytes')
  const crypto = new Crypto({
    SHA1: env('sha1'), SHA256: env('sha256'), PBKDF2: env('pbkdf2'),
    getRandomBytes: (size) => (size === 256 ? new Uint8Array(b) : random(size)),
  })
  crypto.rsa.getRsaKeyByFingerprints = async ([print]) => ({ fingerprint: print, modulus: modulus.toString('hex'), exponent: exponent.toString('hex') })
  const stored = new Map()
  const server = exchange()
  const transport = new EventEmitter()
  const rpc = new RPC({
    dc: { id: 2 },
    transport,
    context: { crypto, storage: { get: async (k) => stored.get(k) ?? null, set: async (k, v) => stored.set(k, v) } },
  })
  rpc.sendWaitMessages = () => transport.emit('done')
  transport.send = (packet) => {
    const answer = new Uint8Array(Buffer.concat([Buffer.alloc(20), server(packet.subarray(20))]))
    setImmediate(() => transport.emit('message', answer.buffer))
  }
  // What it throws in handling a message reaches nobody but the process.
  const failed = new Promise((_, reject) => process.once('unhandledRejection', reject))
  setImmediate(() => transport.emit('open'))
  await Promise.race([once(transport, 'done'), failed])
  return stored.get('2authKey').length
}

const secrets = { full: secret(false), zero: secret(true) }
let asSeen = true
for (const [name, run] of Object.entries({ GramJS: gramjs, mtcute, '@mtproto/core': mtprotoCore })) {
  const outcome = async (b) => {
    try {
      return (await run(b)) === 256 ? 'ok' : 'a short key'
    } catch (err) {
      return err.message
    }
  }
  const full = await outcome(secrets.full)
  const zero = await outcome(secrets.zero)
  console.log(`${name}: full result: ${full}; leading zero: ${zero}`)
  asSeen &&= full === 'ok' && /invalid.*hash/i.test(zero)
}
process.exit(asSeen ? 0 : 1)
JS
node run.mjs
