#!/bin/bash
# @mtproto/core corrects a wrong clock in the wrong direction.
#
# A server that sees a message from the future answers bad_msg_notification 17,
# whose own msg_id carries the right time; a client takes it from there. This
# library keeps "its time minus the server's" and then adds that to its time:
# being 200 s ahead becomes 400 s, and being behind doubles likewise. It repeats
# the refused call at once, each time. The same happens to the time that it
# learns in the key exchange.
#
# Version: @mtproto/core 6.3.0. Its RPC object is given the notification by hand.
# Seen:
#   clock 200 s ahead: the next msg_id is 400 s ahead
#   clock 200 s behind: the next msg_id is 400 s behind
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @mtproto/core@6.3.0

cat > run.cjs <<'JS'
const { EventEmitter } = require('node:events')
const RPC = require('@mtproto/core/src/rpc')

/** How many seconds ahead the next msg_id is after the correction. */
async function corrected(ahead) {
  const stored = new Map([['timeOffset', 0]])
  const rpc = new RPC({
    dc: { id: 2 },
    transport: new EventEmitter(),
    context: {
      crypto: { getRandomBytes: (n) => new Uint8Array(n) },
      storage: { get: async (key) => stored.get(key), set: async (key, value) => stored.set(key, value) },
    },
  })
  const serverTime = Math.floor(Date.now() / 1000) - ahead
  await rpc.handleDecryptedMessage(
    { _: 'mt_bad_msg_notification', bad_msg_id: '4', bad_msg_seqno: 1, error_code: ahead > 0 ? 17 : 16 },
    { messageId: ((BigInt(serverTime) << 32n) | 1n).toString() },
  )
  const [seconds] = await rpc.getMessageId()
  return seconds - serverTime
}

async function main() {
  const near = (a, b) => Math.abs(a - b) <= 1
  const first = await corrected(200)
  const second = await corrected(-200)
  console.log(`clock 200 s ahead: the next msg_id is ${first} s ahead`)
  console.log(`clock 200 s behind: the next msg_id is ${-second} s behind`)
  process.exit(near(first, 400) && near(second, -400) ? 0 : 1)
}
main()
JS
node run.cjs
