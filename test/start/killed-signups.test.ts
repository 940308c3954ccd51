import { expect, it } from 'vitest'
import { killDuringSignups } from './killed-signups.ts'
import { endAllStacks } from './stack.ts'

it('the stack killed with kill -9 in the middle of signups: every tenant has its database, and there is no other', async () => {
  try {
    const { interrupted: _, lost, ...outcome } = await killDuringSignups({ signups: 12, kills: 3, seed: 1 })
    expect(outcome).toEqual({ signups: 12, kills: 3, usable: 12, databases: 12, strangers: 0, orphans: 0 })
    expect(lost).toBeGreaterThan(0)
  } finally {
    await endAllStacks()
  }
})
