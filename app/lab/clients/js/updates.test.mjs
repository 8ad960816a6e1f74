import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Updates } from './updates.mjs'

/** An order of updates at pts 10, what it delivers, and the differences that it is asked for. */
async function at10(...differences) {
  const delivered = []
  const asked = []
  const updates = new Updates({
    state: async () => ({ pts: 10, date: 1 }),
    difference: async (pts, date) => {
      asked.push([pts, date])
      return differences.shift()
    },
    deliver: (message) => delivered.push(message),
  })
  await updates.begin()
  return { updates, delivered, asked }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('delivers what follows the state', async () => {
  const { updates, delivered, asked } = await at10()
  updates.take(11, 1, 'a')
  updates.take(13, 2, 'b')
  assert.deepEqual(delivered, ['a', 'b'])
  assert.deepEqual(asked, [])
})

test('delivers nothing twice', async () => {
  const { updates, delivered } = await at10()
  updates.take(11, 1, 'a')
  updates.take(11, 1, 'a')
  updates.take(9, 1, 'old')
  assert.deepEqual(delivered, ['a'])
})

test('counts updates that are no messages', async () => {
  const { updates, delivered } = await at10()
  updates.take(11, 1)
  updates.take(12, 1, 'a')
  assert.deepEqual(delivered, ['a'])
})

test('fetches what a gap says is missing', async () => {
  const { updates, delivered, asked } = await at10({ messages: ['a', 'b'], pts: 12, date: 2 })
  updates.take(12, 1, 'b')
  await settled()
  assert.deepEqual(delivered, ['a', 'b'])
  assert.deepEqual(asked, [[10, 1]])
  updates.take(13, 1, 'c')
  assert.deepEqual(delivered, ['a', 'b', 'c'])
})

test('asks on while there is more', async () => {
  const { updates, delivered, asked } = await at10(
    { messages: ['a'], pts: 11, date: 2, more: true },
    { messages: ['b'], pts: 12, date: 3 },
  )
  updates.fetch()
  await settled()
  assert.deepEqual(delivered, ['a', 'b'])
  assert.deepEqual(asked, [[10, 1], [11, 2]])
})

test('asks once more for what came while it asked', async () => {
  const { updates, delivered, asked } = await at10(
    { messages: ['a'], pts: 11, date: 2 },
    { messages: ['b'], pts: 12, date: 3 },
  )
  updates.fetch()
  updates.take(12, 1, 'b')
  await settled()
  assert.deepEqual(delivered, ['a', 'b'])
  assert.equal(asked.length, 2)
})

test('keeps its state when the server says that nothing is missing', async () => {
  const { updates, asked } = await at10({ messages: [] }, { messages: [] })
  updates.fetch()
  await settled()
  updates.fetch()
  await settled()
  assert.deepEqual(asked, [[10, 1], [10, 1]])
})

test('takes nothing before it has begun', () => {
  const updates = new Updates({ deliver: () => assert.fail('delivered'), difference: () => assert.fail('asked') })
  updates.take(11, 1, 'a')
  updates.fetch()
})
