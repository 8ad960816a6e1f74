#!/bin/bash
# A right password is refused now and then when it comes from @mtproto/core, and
# from mtcute when the server leaves a leading zero byte away.
#
# The check of a password (SRP) hashes numbers of 2048 bits: the client's A, the
# server's B, the common S. The documentation (core.telegram.org/api/srp) has
# them padded to 2048 bits with leading zeros. @mtproto/core hashes A and S, and
# sends A, without theirs: of two logins in 256 the right password is refused,
# whatever the server does. It and mtcute hash B as the server wrote it, so a
# server that writes numbers short loses one login in 256 more. GramJS pads all.
#
# So a server has to send srp_B with 256 bytes, and a user of @mtproto/core gets
# PASSWORD_HASH_INVALID for a right password sometimes, and not when trying again.
#
# The script is the server of each check. Each library's own source of random
# bytes hands it a secret that makes one of the numbers begin with a zero byte.
#
# Versions: @mtcute/core and node 0.30.3, @mtproto/core 6.3.0, telegram (GramJS) 2.26.22.
# Seen:
#   mtcute: no zero: accepted; A: accepted; S: accepted; B of 256 bytes: accepted; B of 255 bytes: refused
#   @mtproto/core: no zero: accepted; A: refused; S: refused; B of 256 bytes: accepted; B of 255 bytes: refused
#   GramJS: no zero: accepted; A: accepted; S: accepted; B of 256 bytes: accepted; B of 255 bytes: accepted
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  telegram@2.26.22 @mtcute/node@0.30.3 @mtcute/core@0.30.3 @mtproto/core@6.3.0

cat > run.mjs <<'JS'
import { createDiffieHellman, createHash, pbkdf2Sync, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const password = 'correct horse'
const primeBytes = Buffer.from('c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b', 'hex')
const salt1 = randomBytes(16)
const salt2 = randomBytes(16)

const H = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest()
const number = (bytes) => BigInt('0x' + Buffer.from(bytes).toString('hex'))
const bytes256 = (n) => Buffer.from(n.toString(16).padStart(512, '0'), 'hex')
const short = (n) => n >> 2040n === 0n
const prime = number(primeBytes)
const dh = createDiffieHellman(primeBytes, 3)
function power(base, exponent) {
  dh.setPrivateKey(exponent)
  return number(dh.computeSecret(bytes256(base)))
}

// What the server keeps: the verifier of the password.
const inner = H(salt2, H(salt1, password, salt1), salt2)
const x = H(salt2, pbkdf2Sync(inner, salt1, 100000, 64, 'sha512'), salt2)
const g = bytes256(3n)
const verifier = power(3n, x)
const k = number(H(primeBytes, g))

/** What both sides compute of their secrets. */
function exchange(a, b) {
  const A = power(3n, a)
  const B = (k * verifier + power(3n, b)) % prime
  const u = H(bytes256(A), bytes256(B))
  const S = power((A * power(verifier, u)) % prime, b)
  return { a, A, B, S }
}

/** An exchange in which only the named number begins with a zero byte. */
function exchangeWith(name) {
  const wanted = ({ A, B, S }) => short(A) === (name === 'A') && short(B) === (name === 'B') && short(S) === (name === 'S')
  const secret = () => Buffer.concat([Buffer.from([0x40]), randomBytes(255)]) // below the prime
  for (let a = secret(); ;) {
    if (name === 'A') while (!short(power(3n, a))) a = secret()
    const found = exchange(a, secret())
    if (wanted(found)) return found
    if (name === '') a = secret()
  }
}

/** The server's judgment of the client's proof. */
function accepts({ B, S }, proof) {
  const g_a = bytes256(number(proof.A))
  const xor = Buffer.from(H(primeBytes).map((byte, i) => byte ^ H(g)[i]))
  return H(xor, H(salt1), H(salt2), g_a, bytes256(B), H(bytes256(S))).equals(Buffer.from(proof.M1))
}

async function mtcute(a, srpB) {
  const { computeSrpParams } = await import('@mtcute/core/utils.js')
  const { NodeCryptoProvider } = await import('@mtcute/node/utils.js')
  const crypto = new NodeCryptoProvider()
  await crypto.initialize()
  crypto.randomBytes = () => new Uint8Array(a)
  const currentAlgo = { _: 'passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow', salt1, salt2, g: 3, p: primeBytes }
  return computeSrpParams(crypto, { _: 'account.password', currentAlgo, srpB: new Uint8Array(srpB), srpId: 1 }, password)
}

async function mtprotoCore(a, srpB) {
  const Crypto = require('@mtproto/core/src/crypto')
  const env = (name) => require(`@mtproto/core/envs/node/${name}`)
  const crypto = new Crypto({
    SHA1: env('sha1'), SHA256: env('sha256'), PBKDF2: env('pbkdf2'), getRandomBytes: () => new Uint8Array(a),
  })
  return crypto.getSRPParams({ g: 3, p: primeBytes, salt1, salt2, gB: srpB, password })
}

async function gramjs(a, srpB) {
  require('telegram/Helpers.js').generateRandomBytes = () => a
  const { Api } = require('telegram')
  const { computeCheck } = require('telegram/Password.js')
  const currentAlgo = new Api.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow({ salt1, salt2, g: 3, p: primeBytes })
  return computeCheck({ currentAlgo, srp_B: srpB, srpId: require('big-integer')(1) }, password)
}

const withB = exchangeWith('B')
const cases = [
  ['no zero', exchangeWith('')], ['A', exchangeWith('A')], ['S', exchangeWith('S')],
  ['B of 256 bytes', withB], ['B of 255 bytes', withB, bytes256(withB.B).subarray(1)],
]
const refused = { mtcute: 'B of 255 bytes', '@mtproto/core': 'A,S,B of 255 bytes', GramJS: '' }
let asSeen = true
for (const [library, prove] of Object.entries({ mtcute, '@mtproto/core': mtprotoCore, GramJS: gramjs })) {
  const outcomes = []
  for (const [name, found, srpB = bytes256(found.B)] of cases) {
    outcomes.push([name, accepts(found, await prove(found.a, srpB)) ? 'accepted' : 'refused'])
  }
  console.log(`${library}: ${outcomes.map((o) => o.join(': ')).join('; ')}`)
  asSeen &&= outcomes.filter(([, o]) => o === 'refused').map(([name]) => name).join() === refused[library]
}
process.exit(asSeen ? 0 : 1)
JS
node run.mjs
