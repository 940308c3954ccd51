import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BehaviourName } from '../../local/behaviour.ts'
import type { WireBatchResult, WireCondition } from '../../src/hrana/wire.ts'
import { start } from './harness.ts'

/** A statement, whether it succeeds inside and outside of a transaction, and whether it is outside of one afterwards. */
const STATEMENTS = {
  'select 1': { inside: true, outside: true, after: undefined },
  'select * from nope': { inside: false, outside: false, after: undefined },
  begin: { inside: false, outside: true, after: false },
  commit: { inside: true, outside: false, after: true },
} as const
type Sql = keyof typeof STATEMENTS
type Outcome = 'ok' | 'error' | 'skipped'

const conditionBefore = (step: number): fc.Arbitrary<WireCondition> =>
  fc.letrec<{ condition: WireCondition }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small' },
      fc.constant<WireCondition>({ type: 'is_autocommit' }),
      fc.record({ type: fc.constant('ok' as const), step: fc.nat(step - 1) }),
      fc.record({ type: fc.constant('error' as const), step: fc.nat(step - 1) }),
      fc.record({ type: fc.constant('not' as const), cond: tie('condition') }),
      fc.record({
        type: fc.constantFrom('and' as const, 'or' as const),
        conds: fc.array(tie('condition'), { maxLength: 3 }),
      }),
    ),
  })).condition

const sql = fc.constantFrom(...(Object.keys(STATEMENTS) as Sql[]))
const steps = fc
  .array(sql, { minLength: 1, maxLength: 8 })
  .chain((texts) =>
    fc.tuple(
      ...texts.map((text, step) =>
        (step === 0 ? fc.constant(undefined) : fc.option(conditionBefore(step), { nil: undefined })).map(
          (condition) => ({ text, condition }),
        ),
      ),
    ),
  )

/** The protocol, read literally. */
function evaluate(
  condition: WireCondition,
  outcomes: Outcome[],
  isAutocommit: boolean,
  skippedIsError: boolean,
): boolean {
  const nested = (one: WireCondition) => evaluate(one, outcomes, isAutocommit, skippedIsError)
  switch (condition.type) {
    case 'ok':
      return outcomes[condition.step] === 'ok'
    case 'error':
      return (
        outcomes[condition.step] === 'error' || (skippedIsError && outcomes[condition.step] === 'skipped')
      )
    case 'not':
      return !nested(condition.cond)
    case 'and':
      return condition.conds.map(nested).every(Boolean)
    case 'or':
      return condition.conds.map(nested).some(Boolean)
    case 'is_autocommit':
      return isAutocommit
  }
}

test.each<[BehaviourName, boolean]>([
  ['spec', false],
  ['sqld', true],
  ['cloud', true],
])('as %s, the steps of a batch run when their conditions hold', async (behaviour, skippedIsError) => {
  const { create } = await start({ behaviour })
  const database = await create('acme')
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      let isAutocommit = true
      const expected: Outcome[] = []
      for (const { text, condition } of all) {
        if (condition && !evaluate(condition, expected, isAutocommit, skippedIsError)) {
          expected.push('skipped')
          continue
        }
        const { inside, outside, after } = STATEMENTS[text]
        const succeeds = isAutocommit ? outside : inside
        expected.push(succeeds ? 'ok' : 'error')
        if (succeeds && after !== undefined) isAutocommit = after
      }
      const batch = {
        steps: all.map(({ text, condition }) => ({
          stmt: { sql: text },
          ...(condition && { condition }),
        })),
      }
      const { results } = await database.run([{ type: 'batch', batch }])
      const [result] = results as { response: { result: WireBatchResult } }[]
      const { step_results, step_errors } = result!.response.result
      const outcomes = step_results.map((found, step) =>
        found ? 'ok' : step_errors[step] ? 'error' : 'skipped',
      )
      expect(outcomes).toEqual(expected)
    }),
    { numRuns: 200 },
  )
})
