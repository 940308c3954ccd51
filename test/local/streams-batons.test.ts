import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BehaviourName } from '../../local/behaviour.ts'
import { start } from './harness.ts'

// Rounds of requests that are sent at once, each with some baton that was issued before: old ones, used ones, new ones.
const rounds = fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })

test.each<BehaviourName>(['spec', 'sqld', 'cloud'])(
  'as %s, a baton is never accepted twice, and the newest of a stream always once',
  async (behaviour) => {
    const { create, turso } = await start({ behaviour })
    const database = await create('acme')
    await fc.assert(
      fc.asyncProperty(rounds, async (choices) => {
        const begin = { type: 'execute', stmt: { sql: 'begin' } }
        const open = async () => (await database.send({ requests: [begin] })).body.baton as string
        const issued = [await open(), await open()]
        const current = new Set(issued)
        const accepted = new Set<string>()
        for (const round of choices) {
          const batons = round.map((choice) => issued[choice % issued.length]!)
          const answers = await Promise.all(
            batons.map(async (baton) => {
              const { status, body } = await database.send({ baton, requests: [{ type: 'get_autocommit' }] })
              return { baton, status, body }
            }),
          )
          for (const { baton, status, body } of answers.filter((answer) => answer.status === 200)) {
            expect([status, accepted.has(baton), current.has(baton)]).toEqual([200, false, true])
            expect(body.results[0].response.is_autocommit).toBe(false)
            accepted.add(baton)
            current.delete(baton)
            issued.push(body.baton)
            current.add(body.baton)
          }
          expect(batons.filter((baton) => current.has(baton))).toEqual([])
        }
        expect(turso.streams()).toHaveLength(2)
        for (const baton of current) {
          const { status } = await database.send({ baton, requests: [{ type: 'close' }] })
          expect(status).toBe(200)
        }
        expect(turso.streams()).toEqual([])
      }),
      { numRuns: 60 },
    )
  },
)
