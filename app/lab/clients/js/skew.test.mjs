import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('skew.cjs', import.meta.url))

/** What an expression is in a process whose clock is off by so many seconds. */
function within(seconds, expression) {
  return JSON.parse(execFileSync(process.execPath, ['--require', script, '-p', `JSON.stringify(${expression})`], {
    env: { ...process.env, CLOCK_SKEW_SECONDS: String(seconds) },
    encoding: 'utf8',
  }))
}

const readings = {
  'Date.now()': 'Date.now()',
  'new Date()': 'new Date().getTime()',
  'Date()': 'Date.parse(Date())',
  'performance.timeOrigin': 'performance.timeOrigin + performance.now()',
}
for (const [name, expression] of Object.entries(readings)) {
  for (const hours of [1, -1, 0]) {
    test(`${name} is off by ${hours} h`, () => {
      const off = within(hours * 3600, expression) - Date.now()
      assert.ok(Math.abs(off - hours * 3600_000) < 30_000, `off by ${off} ms`)
    })
  }
}

test('dates that are given stay what they are', () => {
  assert.deepEqual(
    within(3600, '[new Date(5).getTime(), new Date(2020, 0, 2).getMonth(), Date.UTC(1970, 0, 2), new Date() instanceof Date]'),
    [5, 0, 86_400_000, true],
  )
})

test('no number is a mistake', () => {
  assert.throws(() => within('soon', '1'), /CLOCK_SKEW_SECONDS/)
})
