import { expect, test } from 'vitest'
import { createPlatform } from '../../../src/index.ts'
import golden from './golden.json' with { type: 'json' }
import { runScenario, type Exchange } from './scenario.ts'

const expected = golden as Exchange[]

test('every endpoint sends what is recorded, and makes of the answer what is recorded', async () => {
  const exchanges = await runScenario()
  // One by one, so that a difference is a short one.
  for (const [index, exchange] of exchanges.entries()) expect(exchange).toEqual(expected[index])
  expect(exchanges).toHaveLength(expected.length)
})

test('every method that makes requests is recorded', () => {
  const turso = createPlatform({ token: 't', organization: 'o' })
  const methods = Object.entries(turso).flatMap(([resource, methodsOf]) =>
    typeof methodsOf === 'function' ? [] : Object.keys(methodsOf).map((method) => `${resource}.${method}`),
  )
  const recorded = new Set(expected.map(({ call }) => call))
  expect(methods.filter((method) => !recorded.has(method))).toEqual(['jwks.template'])
})
