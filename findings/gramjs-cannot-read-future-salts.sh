#!/bin/bash
# GramJS and teleproto cannot read future_salts, and reconnect because of it.
#
# future_salts is the answer to get_future_salts, which both libraries offer. It
# is a plain message of its own, with a vector of bare future_salt, and it is in
# their schema. Their reader of bare objects looks for a table that does not
# exist, so that each such message ends in an error and a new connection, on
# which the call is made again: it goes round like that and is never answered.
#
# So a server must not send future_salts that such a client has not asked for,
# and sees from one that asks a connection after the other, about one a second.
#
# The peer here is an object in place of the connection, with the client's key.
#
# Versions: telegram (GramJS) 2.26.22, teleproto 214.1.7.
# Seen:
#   telegram: the call was not answered within 5 s; new connections: 2 or more
#   teleproto: the call was not answered within 5 s; new connections: 2 or more
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22 teleproto@214.1.7

cat "$here/gramjs/peer.cjs" - > run.cjs <<'JS'

async function attempt(library) {
  const { Api } = require(library)
  let reconnects = 0
  const { peer, sender } = await connect(library, ({ id, constructor }) => {
    if (constructor !== 0xb921bd04) return // get_future_salts
    const now = Math.floor(Date.now() / 1000)
    peer.put(Buffer.concat([
      int(0xae500895), long(id), int(now), // future_salts
      int(2), int(now), int(now + 3600), long(1n), int(now + 1800), int(now + 5400), long(2n),
    ]), 1)
  })
  // The client makes its next connection with the class of the one it has.
  peer.constructor = function () {
    reconnects++
    return peer
  }
  const outcome = await within(sender.send(new Api.GetFutureSalts({ num: 2 })), 5000)
  console.log(`${library}: the call was ${outcome}; new connections: ${reconnects > 1 ? '2 or more' : reconnects}`)
  return outcome !== 'answered' && reconnects > 1
}

async function main() {
  const gramjs = await attempt('telegram')
  const teleproto = await attempt('teleproto')
  process.exit(gramjs && teleproto ? 0 : 1)
}
main()
JS
node run.cjs
