import fc from 'fast-check'
import { describe, expect, inject, it } from 'vitest'
import { propertySeed } from '../support/node/property-seed.ts'

describe('the seed of properties', () => {
  it('is what properties draw from, unless they have one of their own', () => {
    const seed = inject('propertySeed')
    const draw = (parameters?: fc.Parameters<number>) => fc.sample(fc.integer(), parameters)
    expect(fc.readConfigureGlobal().seed).toBe(seed)
    expect(draw()).toEqual(draw({ seed }))
    expect(draw({ seed: seed + 1 })).not.toEqual(draw())
  })

  it('is pinned, and PROPERTY_SEED is another one, or another one in each run', () => {
    expect(propertySeed(undefined)).toBe(propertySeed(''))
    expect(propertySeed('0')).toBe(0)
    expect(propertySeed('2147483647')).toBe(2_147_483_647)
    expect(propertySeed('random')).not.toBe(propertySeed('random'))
  })

  it.each(['x', '-1', '1.5', '2147483648', '99999999999'])('is refused when it is none: %s', (wanted) => {
    expect(() => propertySeed(wanted)).toThrow(
      `PROPERTY_SEED must be a whole number below 2147483648 or "random", not "${wanted}"`,
    )
  })
})
