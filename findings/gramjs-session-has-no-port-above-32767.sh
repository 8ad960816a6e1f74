#!/bin/bash
# GramJS cannot save a session whose server listens on a port above 32767.
#
# StringSession writes the port as a signed 16-bit integer. Telegram's ports are
# 80, 443 and 5222; somebody's own server, or a test's on a free port, may have
# one that does not fit, and save() throws then, which the client also calls by
# itself once it has an auth key. In 2.26.22 the port makes no difference
# besides: connect() dials port 80 whatever the session says.
#
# Version: telegram (GramJS) 2.26.22.
# Seen:
#   port 32767: saved and loaded as 32767
#   port 32768: The value of "value" is out of range. It must be >= -32768 and <= 32767. Received 32768
#   session for port 5222: dials 127.0.0.1:80
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix . telegram@2.26.22

cat > run.cjs <<'JS'
const { randomBytes } = require('node:crypto')
const { TelegramClient } = require('telegram')
const { AuthKey } = require('telegram/crypto/AuthKey')
const { Logger } = require('telegram/extensions')
const { StringSession } = require('telegram/sessions')

async function session(port) {
  const s = new StringSession('')
  s.setDC(2, '127.0.0.1', port)
  const key = new AuthKey()
  await key.setKey(randomBytes(256))
  s.setAuthKey(key)
  return s
}

async function savedPort(port) {
  const s = await session(port)
  try {
    const loaded = new StringSession(s.save())
    await loaded.load()
    return `saved and loaded as ${loaded.port}`
  } catch (err) {
    return err.message
  }
}

/** The address that a client of a session dials; nothing is dialled. */
async function dialled(port) {
  let seen
  class Socket {
    async connect(port, ip) {
      seen ??= `${ip}:${port}`
      throw new Error('no network')
    }
    async close() {}
    toString() { return 'socket' }
  }
  const client = new TelegramClient(await session(port), 1, 'x', {
    networkSocket: Socket, connectionRetries: 1, retryDelay: 0, baseLogger: new Logger('none'),
  })
  await client.connect().catch(() => {})
  return seen
}

async function main() {
  const low = await savedPort(32767)
  const high = await savedPort(32768)
  const dials = await dialled(5222)
  console.log(`port 32767: ${low}`)
  console.log(`port 32768: ${high}`)
  console.log(`session for port 5222: dials ${dials}`)
  process.exit(low.endsWith('32767') && /out of range/.test(high) && dials === '127.0.0.1:80' ? 0 : 1)
}
main()
JS
node run.cjs
