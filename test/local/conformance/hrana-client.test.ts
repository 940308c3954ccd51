/** @libsql/hrana-client, the reference implementation of the protocol's client side, request by request. */
import * as hrana from '@libsql/hrana-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { serveLocalTurso, type BehaviourName } from '../../../local/index.ts'
import { start } from '../harness.ts'

async function connect(behaviour: BehaviourName) {
  const { create, turso } = await start({ behaviour })
  const { jwt } = await create('acme')
  const server = await serveLocalTurso(turso, { port: 0 })
  onTestFinished(server.close)
  const client = hrana.openHttp(`${server.url}/db/acme/`, jwt)
  onTestFinished(() => client.close())
  return { client, turso }
}

const behaviours: BehaviourName[] = ['spec', 'sqld', 'cloud']

describe.each(behaviours)('@libsql/hrana-client with a server like %s', (behaviour) => {
  test('reads rows, one row, one value, and nothing', async () => {
    const { client, turso } = await connect(behaviour)
    const stream = client.openStream()
    const rows = await stream.query('select 1 as one, 2.5 as half union all select 3, null')
    expect(rows.columnNames).toEqual(['one', 'half'])
    expect(rows.rows.map((row) => [row[0], row['half']])).toEqual([
      [1, 2.5],
      [3, null],
    ])
    expect((await stream.queryRow('select 7 as n')).row?.['n']).toBe(7)
    expect((await stream.queryValue('select 8')).value).toBe(8)
    expect((await stream.queryValue('select 8 where false')).value).toBeUndefined()
    await stream.run('create table t (a)')
    const inserted = await stream.run(['insert into t values (?)', ['x']])
    expect([inserted.affectedRowCount, inserted.lastInsertRowid]).toEqual([1, 1n])
    stream.closeGracefully()
    await expect.poll(() => turso.streams()).toEqual([])
  })

  test('describes statements', async () => {
    const { client } = await connect(behaviour)
    const stream = client.openStream()
    await stream.run('create table t (a integer, b text)')
    const select = await stream.describe('select a, b as c from t where a = ? and b = :b')
    const b = behaviour === 'cloud' ? 'b' : ':b'
    expect(select.paramNames).toEqual([undefined, b])
    expect(select.columns).toEqual([
      { name: 'a', decltype: 'INTEGER' },
      { name: 'c', decltype: 'TEXT' },
    ])
    expect([select.isReadonly, select.isExplain]).toEqual([true, false])
    expect((await stream.describe('insert into t values (1, 2)')).isReadonly).toBe(false)
    expect((await stream.describe('explain select 1')).isExplain).toBe(true)
    await expect(stream.describe('select nope from t')).rejects.toMatchObject({ code: 'SQL_INPUT_ERROR' })
    stream.close()
  })

  test('stores statements on the server', async () => {
    const { client } = await connect(behaviour)
    const stream = client.openStream()
    const sql = stream.storeSql('select ? as v')
    for (const value of ['x', 'y']) {
      expect((await stream.queryValue(new hrana.Stmt(sql).bindIndexes([value]))).value).toBe(value)
    }
    sql.close()
    expect((await stream.queryValue('select 1')).value).toBe(1)
    stream.close()
  })

  test('runs the steps of a batch whose conditions hold', async () => {
    const { client } = await connect(behaviour)
    const stream = client.openStream()
    await stream.run('create table t (a unique)')
    const { BatchCond } = hrana
    const batch = stream.batch(false)
    const first = batch.step()
    const ran: Promise<unknown>[] = [first.run('insert into t values (1)')]
    const second = batch.step().condition(BatchCond.ok(first))
    const failing = second.run('insert into t values (1)').catch((error: unknown) => error)
    const third = batch.step().condition(BatchCond.not(BatchCond.ok(second)))
    ran.push(third.run('insert into t values (3)'))
    const skipped = batch.step().condition(BatchCond.ok(second)).run('insert into t values (4)')
    const both = BatchCond.and(batch, [BatchCond.ok(first), BatchCond.error(second)])
    ran.push(batch.step().condition(both).run('insert into t values (5)'))
    const either = BatchCond.or(batch, [BatchCond.ok(second), BatchCond.ok(third)])
    ran.push(batch.step().condition(either).run('insert into t values (6)'))
    await batch.execute()
    expect(await Promise.all(ran)).toHaveLength(4)
    expect(await failing).toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    expect(await skipped).toBeUndefined()
    const { rows } = await stream.query('select a from t order by a')
    expect(rows.map((row) => row[0])).toEqual([1, 3, 5, 6])
    stream.close()
  })

  test('keeps a transaction over requests, and rolls it back with the stream', async () => {
    const { client, turso } = await connect(behaviour)
    const stream = client.openStream()
    await stream.run('create table t (a)')
    await stream.run('begin')
    await stream.run('insert into t values (1)')
    expect(turso.streams()).toEqual([{ database: 'acme', inTransaction: true }])
    stream.close()
    await expect.poll(() => turso.streams()).toEqual([])
    const other = client.openStream()
    expect((await other.queryValue('select count(*) from t')).value).toBe(0)
    await other.sequence('begin; insert into t values (2); commit; insert into t values (3)')
    expect((await other.queryValue('select count(*) from t')).value).toBe(2)
    other.close()
  })

  test('maps every kind of value, in the three ways of reading integers', async () => {
    const { client } = await connect(behaviour)
    const stream = client.openStream()
    const large = 2n ** 62n + 1n
    const statement = (): hrana.Stmt =>
      new hrana.Stmt('select ? as a, ? as b, ? as c, ? as d, :e as e')
        .bindIndexes([null, large, 0.1, 'ß\u{1F600}'])
        .bindName('e', new Uint8Array([7]))
    const code = behaviour === 'cloud' ? 'SQL_INPUT_ERROR' : 'ARGS_BOTH_POSITIONAL_AND_NAMED'
    await expect(stream.query(statement())).rejects.toMatchObject({ code })
    const positional = () => new hrana.Stmt('select ?, ?, ?, ?').bindIndexes([null, large, 0.1, 'ß\u{1F600}'])
    stream.intMode = 'bigint'
    expect(Array.from((await stream.queryRow(positional())).row!)).toEqual([null, large, 0.1, 'ß\u{1F600}'])
    stream.intMode = 'string'
    expect((await stream.queryRow(positional())).row![1]).toBe(String(large))
    stream.intMode = 'number'
    await expect(stream.queryRow(positional())).rejects.toThrow(RangeError)
    stream.close()
  })
})
