import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

const lines = JSON.stringify(new URL('lines.mjs', import.meta.url).href)

/** Runs a program that serves commands; returns its answers and exit code. */
async function converse(commands, requests) {
  const source = `
    import { bytesOf, callMany, emit, serve, Unsupported } from ${lines}
    const rpcError = (err) => err.code && { code: err.code, message: err.message }
    console.log('a line of the library')
    serve({ stop: () => emit('disconnected'), ${commands} }, rpcError)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'ignore'] })
  let out = ''
  child.stdout.on('data', (data) => { out += data })
  child.stdin.end(requests.map((r) => JSON.stringify(r) + '\n').join(''))
  const [code] = await once(child, 'close')
  return { code, said: out.trim().split('\n').map((line) => JSON.parse(line)) }
}

test('answers, and stops at the end of its input', async () => {
  const { code, said } = await converse('twice: ({ n }) => ({ n: 2 * n })', [{ id: 7, do: 'twice', args: { n: 4 } }])
  assert.deepEqual(said, [{ id: 7, ok: { n: 8 } }, { event: 'disconnected' }])
  assert.equal(code, 0)
})

test('tells errors of the server from others', async () => {
  const { said } = await converse(
    `rpc: () => { throw Object.assign(new Error('AUTH_KEY_UNREGISTERED'), { code: 401 }) },
     own: () => { throw new TypeError('no') },
     lacks: () => { throw new Unsupported('no such thing') }`,
    ['rpc', 'own', 'lacks', 'unknown'].map((name, id) => ({ id, do: name })),
  )
  const errors = Object.fromEntries(said.filter((s) => s.error).map((s) => [s.id, s.error]))
  assert.deepEqual(errors, {
    0: { code: 401, message: 'AUTH_KEY_UNREGISTERED' },
    1: { code: 0, message: 'TypeError: no' },
    2: { code: 0, message: 'unsupported: no such thing' },
    3: { code: 0, message: 'unsupported: no command unknown' },
  })
})

test('counts calls', async () => {
  const { said } = await converse(
    `calls: () => { let i = 0; return callMany(3, async () => { if (i++ === 1) throw Object.assign(new Error('X'), { code: 500 }) }, rpcError) }`,
    [{ id: 1, do: 'calls' }],
  )
  const { max_ms: ms, ...counts } = said[0].ok
  assert.deepEqual(counts, { ok: 2, failed: 1, error: 'X' })
  assert.equal(typeof ms, 'number')
})

test('makes the same bytes of the same seed', async () => {
  const { said } = await converse(
    `same: () => ({ same: Buffer.compare(bytesOf(1000, 5), bytesOf(1000, 5)), other: Buffer.compare(bytesOf(1000, 5), bytesOf(1000, 6)) !== 0 })`,
    [{ id: 1, do: 'same' }],
  )
  assert.deepEqual(said[0].ok, { same: 0, other: true })
})
