/** Whatever is done in a transaction, the table is in the end what a plain list with savepoints says. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Database, Transaction } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso, type TestTurso } from '../../support/turso.ts'

/** A call that takes effect as a whole: rows to insert, and whether it fails after them. */
interface Call {
  kind: 'execute' | 'batch' | 'script' | 'count'
  rows: number
  failure: 'none' | 'duplicate' | 'no SQL'
}
interface Together {
  kind: 'together'
  calls: Call[]
}
interface Nested {
  kind: 'nested'
  way: 'function' | 'by hand'
  operations: Operation[]
  isCommitted: boolean
}
type Operation = Call | Together | Nested

const call: fc.Arbitrary<Call> = fc.record({
  kind: fc.constantFrom('execute', 'batch', 'script', 'count'),
  rows: fc.integer({ min: 1, max: 3 }),
  failure: fc.oneof(
    { weight: 3, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom('duplicate' as const, 'no SQL' as const) },
  ),
})
const together: fc.Arbitrary<Together> = fc.record({
  kind: fc.constant('together'),
  calls: fc.array(call, { minLength: 2, maxLength: 4 }),
})

function operations(depth: number): fc.Arbitrary<Operation[]> {
  const leaves: fc.Arbitrary<Operation>[] = [call, together]
  if (depth > 0)
    leaves.push(
      fc.record({
        kind: fc.constant('nested'),
        way: fc.constantFrom('function', 'by hand'),
        operations: operations(depth - 1),
        isCommitted: fc.boolean(),
      }),
    )
  return fc.array(fc.oneof(...leaves), { maxLength: 4 })
}

const undone = new Error('undone on purpose')
const FAILURES = { duplicate: 'insert into notes values (0)', 'no SQL': 'insert nowhere' }

/** Runs a call, and says what the table is after it by the model. */
async function run(
  tx: Transaction,
  { kind, rows, failure }: Call,
  model: number[],
  nextId: () => number,
): Promise<void> {
  if (kind === 'count') {
    const expected = model.length
    const { rows: counted } = await tx.execute('select count(*) as n from notes')
    expect(counted).toEqual([{ n: expected }])
    return
  }
  const ids = Array.from({ length: kind === 'execute' ? 1 : rows }, nextId)
  const isFailing = failure !== 'none'
  if (!isFailing) model.push(...ids)
  const inserts = ids.map((id) => `insert into notes values (${id})`)
  if (isFailing && kind !== 'execute') inserts.splice(1, 0, FAILURES[failure])
  const [first = ''] = inserts
  const running =
    kind === 'execute'
      ? tx.execute(isFailing ? FAILURES[failure] : first)
      : kind === 'batch'
        ? tx.batch(inserts)
        : tx.executeMultiple(inserts.join(';\n'))
  const outcome = await running.then(
    () => 'done',
    (error: { code: string }) => error.code,
  )
  expect(outcome).toBe(isFailing ? 'sql_error' : 'done')
}

async function perform(
  tx: Transaction,
  todo: readonly Operation[],
  model: number[],
  nextId: () => number,
): Promise<void> {
  for (const operation of todo) {
    switch (operation.kind) {
      case 'together':
        await Promise.all(operation.calls.map((each) => run(tx, each, model, nextId)))
        break
      case 'nested': {
        const inner = [...model]
        if (operation.way === 'function') {
          const nested = tx.transaction(async (within) => {
            await perform(within, operation.operations, inner, nextId)
            if (!operation.isCommitted) throw undone
          })
          await nested.catch((error: unknown) => {
            if (error !== undone) throw error
          })
        } else {
          const within = await tx.transaction()
          await perform(within, operation.operations, inner, nextId)
          await (operation.isCommitted ? within.commit() : within.rollback())
        }
        if (operation.isCommitted) model.splice(0, Infinity, ...inner)
        break
      }
      default:
        await run(tx, operation, model, nextId)
    }
  }
}

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  let turso: TestTurso
  let db: Database

  beforeAll(async () => {
    turso = await startTurso({ behaviour })
    db = (await turso.createDatabase()).database
    await db.execute('create table notes (id integer primary key)')
  })

  test('a transaction leaves what the model says, and no stream', async () => {
    const property = fc.asyncProperty(
      operations(3),
      fc.boolean(),
      fc.boolean(),
      async (todo, isCommitted, isFunction) => {
        let last = 0
        const nextId = (): number => (last += 1)
        await db.batch(['delete from notes', 'insert into notes values (0)'])
        const model = [0]
        if (isFunction) {
          const whole = db.transaction(async (tx) => {
            await perform(tx, todo, model, nextId)
            if (!isCommitted) throw undone
          })
          await whole.catch((error: unknown) => {
            if (error !== undone) throw error
          })
        } else {
          const tx = await db.transaction()
          await perform(tx, todo, model, nextId)
          await (isCommitted ? tx.commit() : tx.rollback())
        }
        const { rows } = await db.execute('select id from notes order by id', [], { rowMode: 'array' })
        expect(rows.flat()).toEqual(isCommitted ? model.toSorted((a, b) => a - b) : [0])
        expect(await turso.openStreams()).toEqual([])
      },
    )
    await fc.assert(property, { seed: 20, numRuns: 40 })
  })
})
