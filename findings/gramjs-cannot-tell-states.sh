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
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22 teleproto@214.1.7

cat "$here/gramjs/peer.cjs" - > run.cjs <<'JS'

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
