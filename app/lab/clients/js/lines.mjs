// The JSON lines that a client program speaks with the runner: requests on
// standard input, answers and events on standard output. Package clients
// describes the commands. Standard output carries nothing else: console.log
// goes to standard error, for libraries use it as they like.

import { Console } from 'node:console'
import { createInterface } from 'node:readline'

globalThis.console = new Console(process.stderr, process.stderr)

/** A command that the library cannot carry out; the runner shows it as such. */
export class Unsupported extends Error {
  constructor(why) {
    super(`unsupported: ${why}`)
  }
}

/** Tells the runner of something that it did not ask for. */
export function emit(event, fields = {}) {
  write({ event, ...fields })
}

/** Tells the runner of a line of the library's log that matters. */
export function log(line) {
  emit('log', { line: String(line) })
}

/**
 * Serves the requests until standard input ends or `stop` is asked for, then
 * exits with 0. Requests are carried out side by side.
 *
 * @param commands functions by command: (args) => answer, or a promise of it.
 *   `stop` disconnects; it is also called when standard input ends.
 * @param rpcError turns an error of the library into {code, message} when it
 *   is the server's rpc_error, else into undefined.
 */
export function serve(commands, rpcError) {
  // A library that leaves a promise alone is no reason to end: the runner
  // waits for the answers of others.
  process.on('unhandledRejection', (err) => log(`unhandled rejection: ${describe(err)}`))
  process.on('uncaughtException', (err) => log(`uncaught exception: ${describe(err)}`))

  const lines = createInterface({ input: process.stdin })
  lines.on('line', async (line) => {
    if (line.trim() === '') return
    const { id, do: name, args } = JSON.parse(line)
    try {
      if (!Object.hasOwn(commands, name)) throw new Unsupported(`no command ${name}`)
      const ok = await commands[name](args ?? {})
      write({ id, ok: ok ?? {} })
    } catch (err) {
      console.error(name, err)
      write({ id, error: rpcError(err) ?? { code: 0, message: describe(err) } })
    }
    if (name === 'stop') exit()
  })
  lines.on('close', async () => {
    try {
      await commands.stop({})
    } catch (err) {
      console.error('stop', err)
    }
    exit()
  })
}

/**
 * Makes n calls at once and counts them.
 *
 * @param call makes one call.
 */
export async function callMany(n, call, rpcError) {
  let ok = 0
  let failed = 0
  let error = ''
  let maxMs = 0
  await Promise.all(Array.from({ length: n }, async () => {
    const started = performance.now()
    try {
      await call()
      ok++
    } catch (err) {
      failed++
      error ||= rpcError(err)?.message ?? describe(err)
    }
    maxMs = Math.max(maxMs, performance.now() - started)
  }))
  return { ok, failed, error, max_ms: Math.round(maxMs) }
}

/** Bytes that follow from a seed, so that both ends of a transfer know them. */
export function bytesOf(length, seed) {
  const out = new Uint8Array(length)
  let state = (seed >>> 0) || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    out[i] = state
  }
  return out
}

function describe(err) {
  if (err instanceof Unsupported) return err.message
  return err instanceof Error ? `${err.name}: ${err.message}` : JSON.stringify(err) ?? String(err)
}

function write(object) {
  // Big integers are ids of users and messages, which a number holds exactly;
  // what needs all 64 bits (hashes) is given as a string.
  const text = JSON.stringify(object, (_, v) => (typeof v === 'bigint' ? Number(v) : v))
  process.stdout.write(text + '\n')
}

function exit() {
  process.stdout.write('', () => process.exit(0))
}
