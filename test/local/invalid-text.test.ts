/** A text that is not UTF-8 ends the process if the binding ever reads it as it is. */
import { expect, test } from 'vitest'
import { errorOf, rowsOf, start, statement } from './harness.ts'

const INVALID = `cast(x'ff' as text)`

async function acme() {
  const database = await (await start()).create('acme')
  await database.execute('create table t (a text collate nocase)', 'create index i on t (a)')
  return database
}

test.each([
  `explain select ${INVALID} || 'a'`,
  `EXPLAIN select X'c3'`,
  `explain insert into t values (x'ff')`,
  `explain query plan select x'ff'`,
  `explain select * from t where a like 'ÿ%'`,
  `explain select * from t where a like 'a\x7f%'`,
])('an EXPLAIN that would print a text that is not UTF-8 fails in-band: %s', async (sql) => {
  const database = await acme()
  const [result] = await database.execute(sql)
  expect(errorOf(result).message).toMatch('cannot explain')
})

test('a value of an EXPLAIN never becomes a constant', async () => {
  const database = await acme()
  const args = [{ type: 'text' as const, value: 'ÿ%' }]
  const sql = 'explain select * from t where a like ?'
  const { results } = await database.run([{ type: 'execute', stmt: { sql, args } }])
  expect(rowsOf(results[0]).length).toBeGreaterThan(0)
})

test('an EXPLAIN of what reads such a constant from the schema fails in-band', async () => {
  const database = await acme()
  await database.execute(`create view v as select ${INVALID} || a as b from t`)
  const [result] = await database.execute('explain select * from v')
  expect(errorOf(result).message).toMatch('cannot explain')
})

test.each([`explain select x'c3a9'`, `explain select * from t where a = 'é'`, 'explain delete from t'])(
  'what is UTF-8 is explained: %s',
  async (sql) => {
    const [result] = await (await acme()).execute(sql)
    expect(rowsOf(result).length).toBeGreaterThan(0)
  },
)

test('a query with such a constant is described and runs in a transaction', async () => {
  const database = await acme()
  const { results } = await database.run([
    { type: 'describe', sql: `select ${INVALID} || 'a'` },
    statement('begin'),
    statement(`select hex(${INVALID} || 'a')`),
    statement(`select hex(${INVALID} || a) from t`),
  ])
  expect(results[0]).toMatchObject({ response: { result: { is_readonly: true } } })
  expect(rowsOf(results[2])).toEqual([[{ type: 'text', value: 'FF61' }]])
  expect(rowsOf(results[3])).toEqual([])
})

test('a RETURNING clause that is too deep to be rewritten fails in-band and changes nothing', async () => {
  const database = await acme()
  const [failed, count] = await database.execute(
    `insert into t values (1) returning ${INVALID}, ${Array(998).fill('1').join('+')}`,
    'select count(*) from t',
  )
  expect(errorOf(failed).message).toMatch('Expression tree is too large')
  expect(rowsOf(count)).toEqual([[{ type: 'integer', value: '0' }]])
})
