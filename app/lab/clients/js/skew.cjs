// Sets the clock of a Node.js program off by CLOCK_SKEW_SECONDS (a number, may
// be negative): `node --require ./skew.cjs main.mjs`. Timers and
// performance.now() measure spans and stay as they are.
'use strict'

const skew = Number(process.env.CLOCK_SKEW_SECONDS || 0) * 1000
if (!Number.isFinite(skew)) throw new Error('CLOCK_SKEW_SECONDS is not a number')

if (skew !== 0) {
  const RealDate = Date
  const now = () => RealDate.now() + skew
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, property, receiver) => (property === 'now' ? now : Reflect.get(target, property, receiver)),
  })
  RealDate.prototype.constructor = globalThis.Date

  const { performance } = require('node:perf_hooks')
  const origin = performance.timeOrigin + skew
  Object.defineProperty(performance, 'timeOrigin', { get: () => origin, configurable: true })
}
