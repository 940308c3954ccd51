/** What happens to a database while a request of it is still on its way in. */
import { expect, test } from 'vitest'
import { rowsOf, start, statement, toAnswer } from './harness.ts'

/** A write whose body ends when told to. */
async function slowWrite() {
  const local = await start()
  const database = await local.create('acme')
  await database.execute('create table t (a)')
  const body = new TextEncoder().encode(JSON.stringify({ requests: [statement('insert into t values (1)')] }))
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
  const writer = writable.getWriter()
  const init: RequestInit & { duplex: 'half' } = {
    method: 'POST',
    headers: { authorization: `Bearer ${database.jwt}` },
    body: readable,
    duplex: 'half',
  }
  const response = local.turso.fetch(new Request(`${database.url}/v3/pipeline`, init))
  await writer.write(body.subarray(0, 5))
  const finish = async () => {
    await writer.write(body.subarray(5))
    await writer.close()
    return toAnswer(await response)
  }
  return { ...local, finish }
}

test('a token that is revoked before the body has arrived does nothing', async () => {
  const { api, use, finish } = await slowWrite()
  await api('POST', 'databases/acme/auth/rotate')
  expect((await finish()).status).toBe(401)
  const [count] = await (await use('acme')).execute('select count(*) from t')
  expect(rowsOf(count)).toEqual([[{ type: 'integer', value: '0' }]])
})

test('a database that is blocked before the body has arrived is blocked', async () => {
  const { api, finish } = await slowWrite()
  await api('PATCH', 'databases/acme/configuration', { block_writes: true })
  expect((await finish()).body.results[0]).toMatchObject({ type: 'error', error: { code: 'BLOCKED' } })
})

test('a database that is deleted before the body has arrived does not exist', async () => {
  const { api, finish, turso } = await slowWrite()
  await api('DELETE', 'databases/acme')
  expect((await finish()).status).toBe(404)
  expect(turso.streams()).toEqual([])
})

test('a database that is deleted while a stream waits for a connection does not exist', async () => {
  const { create, api, turso } = await start()
  const [database, other] = [await create('acme'), await create('other')]
  const batons = []
  for (let index = 0; index < 128; index++) {
    batons.push((await other.run([statement('select 1')], { keep: true })).baton)
  }
  const waiting = database.send({ requests: [statement('create table t (a)')] })
  await api('DELETE', 'databases/acme')
  await other.run([], { baton: batons[0]! })
  expect((await waiting).status).toBe(404)
  expect(turso.streams().filter(({ database: name }) => name === 'acme')).toEqual([])
})
