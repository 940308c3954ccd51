import path from 'node:path'
import { expect, it } from 'vitest'
import { unstable_readConfig as readConfig } from 'wrangler'

interface Config {
  vars: Record<string, string>
  ratelimits: { name: string; simple: { limit: number; period: number } }[]
}

it('tells callers the rate limits that the bindings are set to', () => {
  const { ratelimits, vars }: Config = readConfig({
    config: path.join(import.meta.dirname, '../../wrangler.toml'),
  })
  const policies = ratelimits.map(
    ({ name, simple }) =>
      `"${name.replace('_LIMIT', '').toLowerCase()}";q=${simple.limit};w=${simple.period}`,
  )
  expect(vars['RATE_LIMIT_POLICY']).toBe(policies.join(', '))
})
