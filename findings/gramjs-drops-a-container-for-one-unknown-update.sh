#!/bin/bash
# GramJS and teleproto throw a whole container away, with what they have already
# read of it, when one object in it has a constructor that they do not know.
#
# The messages of a container have nothing to do with each other, and the length
# of each is there so that a reader can step over what it cannot read. These two
# read all messages before they handle any: one update of a layer that is newer
# than theirs, and the answers in front of it and behind it are lost too, none of
# the messages is acknowledged, and the calls wait.
#
# So a server sends answers to such clients apart from updates: to put answers
# first does not help.
#
# The peer here is an object in place of the connection, with the client's key.
# The unknown constructor is made up.
#
# Versions: telegram (GramJS) 2.26.22, teleproto 214.1.7.
# Seen:
#   telegram: answer alone in a container: answered; in front of an unknown update: not answered within 3 s; behind it: not answered within 3 s
#   teleproto: answer alone in a container: answered; in front of an unknown update: not answered within 3 s; behind it: not answered within 3 s
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22 teleproto@214.1.7

cat "$here/gramjs/peer.cjs" - > run.cjs <<'JS'

// updateShort with an update of a later layer.
const unknown = Buffer.concat([int(0x78d4dec1), int(0x12345678), int(7), int(Date.now() / 1000)])

/** Calls, and has the answer sent in the container that pack makes of it. */
async function attempt(library, pack) {
  const { Api } = require(library)
  const nearestDc = new Api.NearestDc({ country: 'XX', thisDc: 2, nearestDc: 2 }).getBytes()
  const { peer, sender } = await connect(library, ({ id, constructor }) => {
    if (constructor !== 0x1fb33026) return // help.getNearestDc
    const bodies = pack(Buffer.concat([int(0xf35c6d01), long(id), nearestDc])) // rpc_result
    const messages = bodies.map((body) => Buffer.concat([long(peer.nextId()), int(1), int(body.length), body]))
    peer.put(Buffer.concat([int(0x73f1f8dc), int(bodies.length), ...messages]), 2)
  })
  return within(sender.send(new Api.help.GetNearestDc()), 3000)
}

async function main() {
  let asSeen = true
  for (const library of ['telegram', 'teleproto']) {
    const alone = await attempt(library, (answer) => [answer])
    const front = await attempt(library, (answer) => [answer, unknown])
    const behind = await attempt(library, (answer) => [unknown, answer])
    console.log(`${library}: answer alone in a container: ${alone}; in front of an unknown update: ${front}; behind it: ${behind}`)
    asSeen &&= alone === 'answered' && front !== 'answered' && behind !== 'answered'
  }
  process.exit(asSeen ? 0 : 1)
}
main()
JS
node run.cjs
