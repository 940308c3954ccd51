import { env } from 'cloudflare:workers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { auditScan } from '../../worker/directory/audit-log.ts'
import { auditId, type AuditEntry } from '../../worker/directory/audit.ts'
import type { Scan } from '../../worker/directory/page.ts'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import { byId, bySearch } from '../../worker/directory/tenants.ts'
import { MAX_ROWS_SCANNED } from '../../worker/limits.ts'
import { clearFaults } from '../support/turso.ts'
import { call, type ProblemBody } from './client.ts'

beforeEach(clearFaults)

const directory = env.DIRECTORY
const admin = { headers: { authorization: 'Bearer admin-key' } }
const TENANTS = 100_000

interface List {
  tenants: { id: string; name: string | null; status: string; group: string; database: string }[]
  next_cursor: string | null
}

async function list(query: Record<string, string> = {}): Promise<List> {
  const response = await call(`/v1/tenants?${new URLSearchParams(query).toString()}`, admin)
  if (response.status !== 200) throw new Error(await response.text())
  return await response.json()
}

/** All pages, one after the other. */
async function listAll(query: Record<string, string>): Promise<string[]> {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: List = await list(cursor === '' ? query : { ...query, cursor })
    ids.push(...page.tenants.map(({ id }) => id))
    cursor = page.next_cursor
  }
  return ids
}

/** The files of a project share one D1. */
const clear = () =>
  directory.batch(['tenants', 'audit'].map((table) => directory.prepare(`delete from ${table}`)))

/** Ids `0-customer-000000` and so on; one in a hundred has failed, one in a thousand is called Needle. */
beforeAll(async () => {
  await migrateDirectory(directory)
  await clear()
  await directory
    .prepare(
      `with recursive n (i) as (select 0 union all select i + 1 from n where i < ?1 - 1)
       insert into tenants (id, revision, name, status, group_name, location, database, schema_version, created_at, published_at)
       select printf('0-customer-%06d', i), 1,
         case when i % 1000 = 7 then 'Needle & Söhne ' || i else 'Customer ' || i end,
         case when i % 100 = 3 then 'failed' else 'active' end, 'group-' || (i % 4), 'here',
         printf('0-customer-%06d-abcdefghij', i), 1, '2026-11-28T00:00:00.000Z', 0 from n`,
    )
    .bind(TENANTS)
    .run()
})

afterAll(clear)

describe('the list of 100,000 tenants', () => {
  test('comes page by page in the order of the ids, each tenant once', async () => {
    const first = await list({ limit: '3' })
    expect(first.tenants.map(({ id }) => id)).toEqual([
      '0-customer-000000',
      '0-customer-000001',
      '0-customer-000002',
    ])
    expect(first.tenants[0]).toEqual({
      id: '0-customer-000000',
      name: 'Customer 0',
      status: 'active',
      group: 'group-0',
      location: 'here',
      database: '0-customer-000000-abcdefghij',
      schema_version: 1,
      created_at: '2026-11-28T00:00:00.000Z',
    })
    const second = await list({ limit: '2', cursor: first.next_cursor! })
    expect(second.tenants.map(({ id }) => id)).toEqual(['0-customer-000003', '0-customer-000004'])
    const failed = await listAll({ status: 'failed', limit: '200' })
    expect(failed).toHaveLength(1_000)
    expect(new Set(failed).size).toBe(1_000)
    expect(failed).toEqual(failed.toSorted())
  })

  test('goes on where it was when tenants come and go meanwhile', async () => {
    const { next_cursor } = await list({ status: 'failed', group: 'group-3', limit: '2' })
    await directory.exec(
      "delete from tenants where id = '0-customer-000103'; update tenants set status = 'active' where id = '0-customer-000203'",
    )
    const { tenants } = await list({ status: 'failed', group: 'group-3', limit: '2', cursor: next_cursor! })
    expect(tenants.map(({ id }) => id)).toEqual(['0-customer-000303', '0-customer-000403'])
  })

  test('is searched by any part of id, name and database, in any case', async () => {
    expect((await list({ q: '042042' })).tenants.map(({ id }) => id)).toEqual(['0-customer-042042'])
    expect((await list({ q: '42042-ABC' })).tenants.map(({ id }) => id)).toEqual(['0-customer-042042'])
    expect(await listAll({ q: 'needle & SÖHNE', limit: '200' })).toHaveLength(TENANTS / 1000)
    expect((await list({ q: 'needle', status: 'failed' })).tenants).toEqual([])
    expect(await list({ q: 'nobody has this' })).toEqual({ tenants: [], next_cursor: null })
    expect(await list({ q: '" OR text:x*' })).toEqual({ tenants: [], next_cursor: null })
  })

  test('is searched for beginnings by one and two characters', async () => {
    expect((await list({ q: 'N', limit: '1' })).tenants).toMatchObject([{ name: 'Needle & Söhne 7' }])
    expect((await list({ q: 'ne', limit: '1' })).tenants).toMatchObject([{ name: 'Needle & Söhne 7' }])
    // In the middle of every id, at the beginning of none.
    expect((await list({ q: 'us' })).tenants).toEqual([])
  })

  test('with a filter that hardly anything passes costs no more, and says where to go on', async () => {
    const { tenants, next_cursor } = await list({ q: 'customer', status: 'failed', limit: '200' })
    expect(tenants.length).toBeLessThanOrEqual(MAX_ROWS_SCANNED / 100)
    expect(next_cursor).not.toBeNull()
    const all = await listAll({ q: 'customer', status: 'failed', group: 'group-3', limit: '200' })
    expect(all.length).toBeGreaterThan(990)
    expect(new Set(all).size).toBe(all.length)
  })

  test('follows changed names, and forgets who is gone', async () => {
    await directory.exec("update tenants set name = 'Zeppelin' where id = '0-customer-050000'")
    expect(await listAll({ q: 'zeppelin' })).toEqual(['0-customer-050000'])
    expect(await listAll({ q: 'Customer 50000' })).toEqual([])
    await directory.exec("delete from tenants where id = '0-customer-050000'")
    expect(await listAll({ q: 'zeppelin' })).toEqual([])
  })

  test('is counted without being read', async () => {
    const { results } = await directory
      .prepare('select status, count(*) as tenants from tenants group by status order by status')
      .all<{ status: string; tenants: number }>()
    const response = await call('/v1/stats', admin)
    const { tenants } = (await response.json()) as {
      tenants: { total: number; by_status: Record<string, number> }
    }
    expect(tenants.by_status).toEqual(
      Object.fromEntries(results.map(({ status, tenants }) => [status, tenants])),
    )
    expect(tenants.total).toBe(results.reduce((sum, { tenants }) => sum + tenants, 0))
  })

  test.each([
    ['status', 'status=gone', 'must be one of'],
    ['group', 'group=No%20Group', 'must be a group name'],
    ['q', 'q=', 'must be 1 to 128 characters'],
    ['q', 'q=a%0Ab', 'no control characters'],
    ['limit', 'limit=0', 'from 1 to 200'],
    ['limit', 'limit=201', 'from 1 to 200'],
    ['cursor', 'cursor=abc', 'next_cursor of this very list'],
    ['page', 'page=2', 'is not known'],
    ['status', 'status=active&status=failed', 'is there twice'],
  ])('names the parameter %s when it is wrong: %s', async (field, query, detail) => {
    const response = await call(`/v1/tenants?${query}`, admin)
    expect(response.status).toBe(400)
    const { errors } = (await response.json()) as ProblemBody
    expect(errors).toEqual([{ field, detail: expect.stringContaining(detail) }])
  })

  test("refuses another list's cursor, and a key that may only sign up", async () => {
    const { next_cursor } = await list({ limit: '1' })
    for (const path of [`/v1/tenants?q=abc&cursor=${next_cursor}`, `/v1/audit?cursor=${next_cursor}`])
      expect((await call(path, admin)).status).toBe(400)
    for (const path of ['/v1/tenants', '/v1/stats', '/v1/audit'])
      expect((await call(path, { headers: { authorization: 'Bearer signup-key' } })).status).toBe(403)
  })
})

describe('every query reads by an index, in order, and sorts nothing', () => {
  const page = { limit: 50 }
  const scans: [string, Scan][] = [
    ['all', byId(page, null)],
    ['all, further on', byId(page, '0-customer-5')],
    ['a status', byId({ ...page, status: 'failed' }, '0-customer-5')],
    ['a group', byId({ ...page, group: 'group-1' }, '0-customer-5')],
    ['both', byId({ ...page, status: 'failed', group: 'group-1' }, '0-customer-5')],
    ['a search', bySearch(page, 'customer', 5)],
    ['the audit', auditScan(page, null)],
    ['the audit of a tenant', auditScan({ ...page, tenant: 'a', after: '2026-01-01' }, 'x')],
    ['the audit of an actor', auditScan({ ...page, actor: 'key:a', action: 'signup' }, 'x')],
    ['the audit of an action', auditScan({ ...page, action: 'signup', before: '2026-01-01' }, null)],
  ]
  test.each(scans)('%s', async (_, { sql, args }) => {
    const { results } = await directory
      .prepare(`explain query plan ${sql} limit 51`)
      .bind(...args)
      .all<{ detail: string }>()
    const plan = results.map(({ detail }) => detail).join('; ')
    expect(plan).not.toContain('TEMP B-TREE')
    // Reading along an index from its beginning is all that an unfiltered list does.
    expect(plan).toMatch(/USING (COVERING )?INDEX|USING INTEGER PRIMARY KEY|USING PRIMARY KEY|SCAN audit$/)
  })

  test('and few rows: no more for the last page than for the first', async () => {
    const readBy = async ({ sql, args }: Scan): Promise<number> => {
      const { meta } = await directory
        .prepare(`${sql} limit 51`)
        .bind(...args)
        .run()
      return meta.rows_read
    }
    for (const scan of [
      byId(page, null),
      byId(page, '0-customer-099000'),
      byId({ ...page, status: 'failed' }, '0-customer-090000'),
      bySearch(page, 'customer', null),
      bySearch(page, 'customer', 99_000),
    ])
      expect(await readBy(scan)).toBeLessThan(250)
  })
})

describe('the audit', () => {
  const noon = Date.parse('2026-06-01T12:00:00Z')
  const at = (second: number, change: Partial<AuditEntry>): AuditEntry => ({
    id: auditId(noon + second * 1000, 0, `r${second}`),
    actor: 'key:app',
    tenant: 'audited',
    action: 'signup',
    outcome: 'begun',
    requestId: `request-${second}`,
    ...change,
  })
  beforeAll(async () => {
    const rows = [
      at(0, {}),
      at(1, { action: 'delete', actor: 'key:ops' }),
      at(2, { tenant: 'other' }),
      at(3, { action: 'delete', actor: 'key:ops', tenant: 'other' }),
    ]
    await directory.batch(
      rows.map(({ id, actor, action, tenant, requestId, outcome }) =>
        directory
          .prepare(
            'insert into audit (id, actor, action, tenant, request_id, outcome) values (?, ?, ?, ?, ?, ?)',
          )
          .bind(id, actor, action, tenant, requestId, outcome),
      ),
    )
  })
  afterEach(clearFaults)

  async function audit(query: Record<string, string>) {
    const response = await call(`/v1/audit?${new URLSearchParams(query).toString()}`, admin)
    return (await response.json()) as {
      audit: { at: string; request_id: string }[]
      next_cursor: string | null
    }
  }
  const requests = async (query: Record<string, string>): Promise<string[]> =>
    (await audit(query)).audit.map(({ request_id }) => request_id)

  test('has the latest first, page by page', async () => {
    const first = await audit({ limit: '3' })
    expect(first.audit[0]).toEqual({
      id: expect.any(String),
      at: '2026-06-01T12:00:03.000Z',
      actor: 'key:ops',
      action: 'delete',
      tenant: 'other',
      database: null,
      outcome: 'begun',
      request_id: 'request-3',
      session: null,
      repeats: 0,
    })
    const second = await audit({ limit: '3', cursor: first.next_cursor! })
    expect([...first.audit, ...second.audit].map(({ request_id }) => request_id)).toEqual([
      'request-3',
      'request-2',
      'request-1',
      'request-0',
    ])
    expect(second.next_cursor).toBeNull()
  })

  test('is filtered by tenant, actor, action and time, and by several of them', async () => {
    expect(await requests({ tenant: 'audited' })).toEqual(['request-1', 'request-0'])
    expect(await requests({ actor: 'key:ops' })).toEqual(['request-3', 'request-1'])
    expect(await requests({ action: 'signup' })).toEqual(['request-2', 'request-0'])
    expect(await requests({ tenant: 'other', actor: 'key:ops', action: 'delete' })).toEqual(['request-3'])
    expect(await requests({ after: '2026-06-01T12:00:01Z', before: '2026-06-01T12:00:03Z' })).toEqual([
      'request-2',
      'request-1',
    ])
  })

  test('refuses what is no time', async () => {
    const response = await call('/v1/audit?before=yesterday', admin)
    expect(((await response.json()) as ProblemBody).errors).toEqual([
      { field: 'before', detail: expect.stringContaining('must be a time') },
    ])
  })
})

test('what cannot be read is 503, and says when to come back', async () => {
  await directory.exec('alter table tenants rename to hidden')
  try {
    const response = await call('/v1/tenants', admin)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).not.toBeNull()
    expect(((await response.json()) as ProblemBody).code).toBe('directory_unavailable')
  } finally {
    await directory.exec('alter table hidden rename to tenants')
  }
})
