#!/bin/bash
# mtcute packs its calls in a format that its own unpacking refuses.
#
# gzip_packed holds gzip, as its name says, and gzip is what servers send in it.
# mtcute packs with the header of zlib (78 9c) in place of that of gzip (1f 8b),
# and unpacks gzip alone: a server has to read both and may send only one.
#
# Version: @mtcute/node 0.30.3.
# Seen:
#   packed: 789c…, unpacked by mtcute: incorrect header check
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @mtcute/node@0.30.3 @mtcute/core@0.30.3

cat > run.mjs <<'JS'
import { NodeCryptoProvider } from '@mtcute/node/utils.js'

const crypto = new NodeCryptoProvider()
const text = new TextEncoder().encode('Hello! '.repeat(100))
const packed = Buffer.from(crypto.gzip(text, text.length))
let unpacked
try {
  unpacked = crypto.gunzip(packed).length + ' bytes'
} catch (err) {
  unpacked = err.message
}
console.log(`packed: ${packed.subarray(0, 2).toString('hex')}…, unpacked by mtcute: ${unpacked}`)
process.exit(packed[0] === 0x78 && unpacked === 'incorrect header check' ? 0 : 1)
JS
node run.mjs
