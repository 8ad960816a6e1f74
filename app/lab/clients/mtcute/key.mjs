// The server's RSA key for mtcute. addPublicKey files a key under its
// fingerprint in hex with leading zeros; the key exchange looks for the
// fingerprint without them, and so never finds one key in sixteen. Such a key
// is filed by hand under the short form as well.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** Makes a release trust a public key (PEM, PKCS#1). */
export async function trustKey(utils, release, pem) {
  const crypto = new utils.NodeCryptoProvider()
  await crypto.initialize?.()
  utils.addPublicKey(crypto, pem)
  const key = utils.parsePublicKey(crypto, pem)
  if (key.fingerprint.startsWith('0')) {
    const index = await keyIndex(release)
    index[key.fingerprint.replace(/^0+/, '')] = key
  }
}

/** The table of keys, which neither release exports. */
async function keyIndex(release) {
  const require = createRequire(import.meta.url)
  const node = createRequire(require.resolve(`mtcute-${release}`))
  if (release === '0.27') return node('@mtcute/tl/binary/rsa-keys.js').__publicKeyIndex
  const file = new URL('tl/binary/rsa-keys.js', pathToFileURL(node.resolve('@mtcute/core')))
  return (await import(file)).__publicKeyIndex
}
