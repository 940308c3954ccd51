import { expect, test } from 'vitest'
import { errorOf, rowsOf, start, statement } from './harness.ts'

test('a pipeline answers no more than 32 MB in all, and the rest of its requests fail in-band', async () => {
  const database = await (await start()).create('acme')
  const large = Array.from({ length: 8 }, () => statement('select zeroblob(4900000)'))
  const { results } = await database.run([...large, statement('create table t (a)')])
  for (const result of results.slice(0, 6)) expect(rowsOf(result)).toHaveLength(1)
  for (const result of results.slice(6, 8)) expect(errorOf(result).code).toBe('RESPONSE_TOO_LARGE')
  expect(rowsOf(results[8])).toEqual([])
})

test('others are served while a long pipeline or batch runs', async () => {
  const { create } = await start()
  const [database, other] = [await create('acme'), await create('other')]
  const ended: string[] = []
  const steps = Array.from({ length: 5_000 }, () => ({ stmt: { sql: 'select 1' } }))
  await Promise.all([
    database.run(steps.map(({ stmt }) => ({ type: 'execute', stmt }))).then(() => ended.push('pipeline')),
    database.run([{ type: 'batch', batch: { steps } }]).then(() => ended.push('batch')),
    other.execute('select 1').then(() => ended.push('other')),
  ])
  expect(ended[0]).toBe('other')
})

test('what was too large for one request takes nothing from the others', async () => {
  const database = await (await start()).create('acme')
  const tooLarge = statement('select zeroblob(4900000), zeroblob(4900000), zeroblob(4900000)')
  const { results } = await database.run([
    tooLarge,
    tooLarge,
    tooLarge,
    statement('select zeroblob(4900000)'),
  ])
  expect(errorOf(results[2]).code).toBe('RESPONSE_TOO_LARGE')
  expect(rowsOf(results[3])).toHaveLength(1)
})
