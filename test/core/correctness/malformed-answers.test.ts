/** Answers in which any one thing is another: an error of this library, or a result, and never a commit that was none. */
import { describe, expect, test } from 'vitest'
import { connect, isTursoError, type Database, type Fetch } from '../../../src/index.ts'

const column = { name: 'a', decltype: null }
const result = {
  cols: [column],
  rows: [[{ type: 'integer', value: '1' }]],
  affected_row_count: 1,
  last_insert_rowid: '7',
}
const ok = (response: object): object => ({ type: 'ok', response })
const closed = ok({ type: 'close' })
const batchOf = (count: number): object =>
  ok({
    type: 'batch',
    result: {
      step_results: Array<object>(count).fill(result),
      step_errors: Array<null>(count).fill(null),
    },
  })
const answer = (baton: string | null, ...results: object[]): object => ({ baton, base_url: null, results })
const refused = { type: 'error', error: { message: 'no such savepoint', code: 'SQLITE_ERROR' } }

/** Calls, and what a server answers to their requests in turn. */
const calls: [string, (db: Database) => Promise<unknown>, object[]][] = [
  ['execute', (db) => db.execute('select 1'), [answer(null, ok({ type: 'execute', result }), closed)]],
  ['batch', (db) => db.batch(['select 1', 'select 2']), [answer(null, batchOf(4), closed)]],
  [
    'executeMultiple',
    (db) => db.executeMultiple('select 1'),
    [answer(null, ok({ type: 'sequence' }), closed)],
  ],
  [
    'describe',
    (db) => db.describe('select 1'),
    [
      answer(
        null,
        ok({
          type: 'describe',
          result: { params: [{ name: null }], cols: [column], is_explain: false, is_readonly: true },
        }),
        closed,
      ),
    ],
  ],
  ['isAutocommit', (db) => db.openStream().isAutocommit(), [answer('b', ok({ type: 'get_autocommit' }))]],
  [
    'a transaction',
    (db) =>
      db.transaction(async (tx) => {
        await tx.execute('select 1')
        await tx.batch(['select 1', 'select 2'])
      }),
    [
      answer('b1', batchOf(1), batchOf(1)),
      answer('b2', batchOf(4), refused),
      answer(null, batchOf(1), closed),
    ],
  ],
]

const others = [null, 0, 1, 'x', '', [], {}, true, [null], { length: 4 }, undefined]

/** Every place in a value, by the keys that lead there. */
function* placesIn(value: unknown, keys: string[] = []): Generator<string[]> {
  yield keys
  if (typeof value === 'object' && value !== null)
    for (const [key, member] of Object.entries(value)) yield* placesIn(member, [...keys, key])
}

function withOther(value: unknown, [key, ...keys]: string[], other: unknown): unknown {
  if (key === undefined) return other
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>
  copy[key] = withOther(copy[key], keys, other)
  return copy
}

function answering(answers: readonly unknown[]): Fetch {
  let count = 0
  return () => Promise.resolve(new Response(JSON.stringify(answers[count++] ?? answer(null, closed))))
}

describe.each(calls)('%s', (_, run, answers) => {
  test('answered as it should be succeeds', async () => {
    const outcome = run(connect({ url: 'https://db.example', fetch: answering(answers) }))
    await expect(outcome).resolves.not.toThrow()
  })

  test('fails as this library does, or not at all', async () => {
    const strange: string[] = []
    for (const [index, whole] of answers.entries())
      for (const keys of placesIn(whole))
        for (const other of others) {
          const fetch = answering(answers.with(index, withOther(whole, keys, other) as object))
          await run(connect({ url: 'https://db.example', fetch, retry: false })).catch((error: unknown) => {
            if (!isTursoError(error))
              strange.push(`${index} ${keys.join('.')} = ${JSON.stringify(other)}: ${String(error)}`)
          })
        }
    expect(strange).toEqual([])
  })
})

test.each([
  ['type', 'error'],
  ['type', undefined],
  ['response.type', 'close'],
  ['response.result.step_results', 'x'],
  ['response.result.step_results', { length: 1 }],
  ['response.result.step_errors', 'x'],
  ['response.result.step_errors', { length: 1 }],
])('a COMMIT in whose answer %s is %j is not taken for one', async (place, other) => {
  const commit = withOther(answer(null, batchOf(1), closed), ['results', '0', ...place.split('.')], other)
  const fetch = answering([answer('b', batchOf(1), batchOf(1)), commit])
  const run = connect({ url: 'https://db.example', fetch }).transaction((tx) => tx.execute('select 1'))
  await expect(run).rejects.toMatchObject({ code: 'stream_lost', outcome: 'unknown' })
})

test.each([0, {}, true])('a baton that is %j is none that could be sent', async (baton) => {
  const fetch = answering([{ ...answer('', ok({ type: 'get_autocommit' })), baton }])
  const stream = connect({ url: 'https://db.example', fetch }).openStream()
  await expect(stream.isAutocommit()).rejects.toMatchObject({ code: 'protocol' })
})
