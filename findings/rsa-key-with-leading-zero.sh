#!/bin/bash
# A server key whose fingerprint begins with a zero digit is unknown to mtcute
# and to @mtproto/core, although it was given to them.
#
# A client finds the server's RSA key by the 64-bit fingerprints that resPQ
# lists. Both libraries file their keys under the fingerprint in hex, sixteen
# digits with leading zeros, and look fingerprints up as numbers turned into
# hex, without them. None of Telegram's own keys begins with a zero digit; of
# the keys that somebody makes for another server, one in sixteen does, and no
# client of these libraries can ever make an auth key there.
#
# Versions: @mtcute/core 0.27.9 and 0.30.3, @mtproto/core 6.3.0.
# Seen:
#   fingerprints 04abe3de1dc18600 and 7382ffc11fa8646a
#   mtcute 0.27: with a leading zero found: false, without: true
#   mtcute 0.30: with a leading zero found: false, without: true
#   @mtproto/core: with a leading zero found: false, without: true
# A way out: make keys until the fingerprint has no leading zero.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  mtcute-0.27@npm:@mtcute/core@0.27.9 mtcute-0.30@npm:@mtcute/core@0.30.3 @mtproto/core@6.3.0

cat > run.mjs <<'JS'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The low 64 bits of SHA-1 of the key as TL, as the protocol has it. */
function fingerprint(publicKey) {
  const { n, e } = publicKey.export({ format: 'jwk' })
  const bytes = (s) => {
    const b = Buffer.from(s, 'base64url')
    const head = b.length < 254 ? Buffer.from([b.length]) : Buffer.from([254, b.length & 255, b.length >> 8, 0])
    return Buffer.concat([head, b, Buffer.alloc((4 - ((head.length + b.length) % 4)) % 4)])
  }
  return createHash('sha1').update(Buffer.concat([bytes(n), bytes(e)])).digest().readBigUInt64LE(12)
}

/** A key of 2048 bits whose fingerprint begins with a zero digit, or not. */
function key(zero) {
  for (;;) {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const print = fingerprint(publicKey)
    if ((print >> 60n === 0n) === zero) return { publicKey, print }
  }
}

let changed = false
function tell(library, found) {
  console.log(`${library}: with a leading zero found: ${found.zero}, without: ${found.other}`)
  if (found.zero || !found.other) changed = true
}

const zero = key(true)
const other = key(false)
console.log(`fingerprints ${[zero, other].map((k) => k.print.toString(16).padStart(16, '0')).join(' and ')}`)

for (const release of ['0.27', '0.30']) {
  const utils = await import(`mtcute-${release}/utils.js`)
  const crypto = { sha1: (data) => new Uint8Array(createHash('sha1').update(data).digest()) }
  const found = ({ publicKey, print }) => {
    utils.addPublicKey(crypto, publicKey.export({ type: 'pkcs1', format: 'pem' }))
    const Long = utils.randomLong(true).constructor
    return utils.findKeyByFingerprints([Long.fromString(print.toString(), true)]) !== null
  }
  tell(`mtcute ${release}`, { zero: found(zero), other: found(other) })
}

// This library cannot be given a key: the lookup asks for the table of the
// built-in ones, so that table is replaced, by one in the same form.
const RSA = require('@mtproto/core/src/utils/rsa')
const SHA1 = require('@mtproto/core/envs/node/sha1')
const { bytesToHex } = require('@mtproto/core/src/utils/common')
const builtIn = Object.keys(await new RSA({ SHA1 }).getPublisKeysByHex())
if (!builtIn.every((digits) => digits.length === 16)) changed = true
const found = async ({ print }) => {
  const rsa = new RSA({ SHA1 })
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(print)
  rsa.getPublisKeysByHex = async () => ({ [bytesToHex(bytes)]: { modulus: '', exponent: '' } })
  return (await rsa.getRsaKeyByFingerprints([print.toString()])) !== null
}
tell('@mtproto/core', { zero: await found(zero), other: await found(other) })

process.exit(changed ? 1 : 0)
JS
node run.mjs
