/** Routes that the Turso CLI knows and the reference of the API does not. */
import { expect, test } from 'vitest'
import { start } from './harness.ts'

test('a database is woken up, and tells its statements as a bare array', async () => {
  const { api, create } = await start()
  const acme = await create('acme')
  await acme.execute('create table t (a)', 'insert into t values (1)')
  const woken = await api('POST', 'databases/acme/wakeup')
  expect([woken.status, woken.text]).toEqual([200, ''])
  const { body } = await api('GET', 'databases/acme/usage/queries?from=0')
  expect(body).toEqual((await api('GET', 'databases/acme/stats')).body.top_queries)
  expect((await api('POST', 'databases/nope/wakeup')).status).toBe(404)
})

test('what cannot be done here is refused and says so', async () => {
  const { api, create } = await start()
  await create('acme')
  expect((await api('GET', 'groups/default/aws/migration/info')).body).toMatchObject({ status: 'none' })
  for (const path of [
    'databases/acme/transfer',
    'groups/default/aws/migration/start',
    'groups/default/aws/migration/abort',
  ]) {
    const { status, body } = await api('POST', path, { org: 'other' })
    expect([status, body.error]).toEqual([400, expect.stringContaining('not supported by the local Turso')])
  }
  expect((await api('POST', 'databases/nope/transfer', { org: 'other' })).status).toBe(404)
})

test('sessions are invalidated: minted API tokens end, the one that always works does not', async () => {
  const { call } = await start()
  const { token } = (await call('POST', '/v1/auth/api-tokens/ci')).body
  expect((await call('GET', '/v1/user', undefined, token)).status).toBe(200)
  expect((await call('POST', '/v1/auth/invalidate')).body).toEqual({ valid_from: expect.any(Number) })
  expect((await call('GET', '/v1/user', undefined, token)).status).toBe(401)
  expect((await call('GET', '/v1/user')).status).toBe(200)
})
