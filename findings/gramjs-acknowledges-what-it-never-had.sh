#!/bin/bash
# GramJS and teleproto acknowledge an answer that they have only been told of.
#
# When a call comes again whose answer was already made, or when an answer is
# large, a server may send msg_detailed_info in place of the answer: its id, its
# size. The documentation ("Service Messages about Messages") has a client that
# lacks the answer ask for it by msg_resend_req; an acknowledgment is for what
# has been received. These two acknowledge the id that the notice names, ask for
# nothing, and go on waiting. A server that goes by the acknowledgment forgets
# the answer, and the call is never answered.
#
# So a server sends such clients the answer itself again, whatever its size, and
# takes no acknowledgment for more than it has sent.
#
# The peer here is an object in place of the connection, with the client's key.
#
# Versions: telegram (GramJS) 2.26.22, teleproto 214.1.7.
# Seen:
#   telegram: the call was not answered within 3 s; the answer, never sent, was acknowledged; asked for: false
#   teleproto: the call was not answered within 3 s; the answer, never sent, was acknowledged; asked for: false
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22 teleproto@214.1.7

cat "$here/gramjs/peer.cjs" - > run.cjs <<'JS'

async function attempt(library) {
  const { Api } = require(library)
  const answerId = (BigInt(Math.floor(Date.now() / 1000)) << 32n) | 1n // never sent
  let acknowledged = false
  let askedFor = false
  const { peer, sender } = await connect(library, ({ id, constructor, body }) => {
    const named = [0x62d6b459, 0x7d861a08].includes(constructor) // msgs_ack, msg_resend_req
      && body.subarray(12).includes(long(answerId))
    if (named && constructor === 0x62d6b459) acknowledged = true
    if (named && constructor === 0x7d861a08) askedFor = true
    if (constructor === 0x1fb33026) { // help.getNearestDc: msg_detailed_info
      peer.put(Buffer.concat([int(0x276d3ec6), long(id), long(answerId), int(100), int(0)]), 0)
    }
  })
  const outcome = await within(sender.send(new Api.help.GetNearestDc()), 3000)
  // It sends acknowledgments with its next call.
  sender.send(new Api.help.GetConfig()).catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 1000))
  console.log(`${library}: the call was ${outcome}; the answer, never sent, was ${acknowledged ? '' : 'not '}acknowledged; asked for: ${askedFor}`)
  return acknowledged && !askedFor && outcome !== 'answered'
}

async function main() {
  const gramjs = await attempt('telegram')
  const teleproto = await attempt('teleproto')
  process.exit(gramjs && teleproto ? 0 : 1)
}
main()
JS
node run.cjs
