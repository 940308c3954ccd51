import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AuditEntry } from '../../worker/directory/audit.ts'
import type { OutboxState, Publication } from '../../worker/directory/outbox.ts'
import { publish } from '../../worker/directory/publish.ts'
import { MAX_OWED_AUDIT_ROWS } from '../../worker/limits.ts'
import { migrateDirectory } from '../../worker/directory/schema.ts'
import { clearFaults, failNext, requestsSeen } from '../support/turso.ts'
import { call, signUp, signUpNow } from './client.ts'
import { createDirectory } from './simulation/directory.ts'
import { createRandom, type Random } from './simulation/random.ts'

beforeEach(clearFaults)
afterEach(async () => {
  vi.restoreAllMocks()
  await clearFaults()
})

const directory = env.DIRECTORY
const tenantObject = (id: string) => env.TENANTS.getByName(id)
const remove = (id: string): Promise<Response> =>
  call(`/v1/tenants/${id}`, { method: 'DELETE', headers: { authorization: 'Bearer admin-key' } })

async function rowOf(id: string): Promise<Record<string, unknown> | null> {
  return await directory.prepare('select * from tenants where id = ?').bind(id).first()
}

async function auditOf(id: string): Promise<string[]> {
  const { results } = await directory
    .prepare('select actor, action, outcome from audit where tenant = ? order by id')
    .bind(id)
    .all<AuditEntry>()
  return results.map(({ actor, action, outcome }) => `${actor} ${action} ${outcome}`)
}

const outboxOf = (id: string): Promise<OutboxState | undefined> =>
  runInDurableObject(tenantObject(id), (_, { storage }) => storage.kv.get<OutboxState>('outbox'))

/** Until the object owes the directory nothing any more. */
async function delivered(id: string): Promise<void> {
  await expect.poll(async () => ((await outboxOf(id)) ?? { retryAt: null }).retryAt).toBeNull()
}

test('any number of isolates may make the tables at once', async () => {
  await Promise.all(Array.from({ length: 5 }, () => migrateDirectory(directory)))
  await migrateDirectory(directory)
  const { results } = await directory.prepare('select version from directory_versions').all()
  expect(results).toEqual([{ version: 1 }, { version: 2 }, { version: 3 }, { version: 4 }])
})

describe('the directory', () => {
  test('knows a tenant, and the audit who has signed it up, without a call more upstream', async () => {
    await signUpNow({ id: 'warm-up' })
    await clearFaults()
    const { tenant, database } = await signUpNow({ id: 'listed', name: 'Listed Ltd' })
    expect(await requestsSeen()).toHaveLength(3)
    await delivered('listed')
    expect(await rowOf('listed')).toMatchObject({
      id: 'listed',
      name: 'Listed Ltd',
      status: 'active',
      database: database.name,
      group_name: tenant.group,
      location: tenant.location,
      schema_version: 1,
    })
    expect(await auditOf('listed')).toEqual([
      'key:app signup begun',
      'worker provision active',
      'key:app token created',
    ])
    // Nothing wakes the object for what is done.
    await runInDurableObject(tenantObject('listed'), async (_, { storage }) => {
      expect([...storage.kv.list()].map(([key]) => key)).toEqual(['outbox', 'tenant'])
      expect(await storage.getAlarm()).toBeNull()
    })
  })

  test('knows a signup that waits, and one that has failed, with what is left of it', async () => {
    const headers = { 'retry-after': '60' }
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 503, headers })
    expect((await signUp({ id: 'waiting' })).status).toBe(202)
    await delivered('waiting')
    expect(await rowOf('waiting')).toMatchObject({
      status: 'provisioning',
      expected_by: expect.any(Number),
    })
    await failNext({ kind: 'respond', on: 'databases.createToken', status: 400, body: '{"error":"no"}' })
    await failNext({ kind: 'server_error', on: 'databases.delete' })
    expect((await signUp({ id: 'given-up' })).status).toBe(502)
    await delivered('given-up')
    const { database, status } = (await rowOf('given-up'))!
    expect(status).toBe('failed')
    const orphans = await directory.prepare('select * from orphans where tenant = ?').bind('given-up').all()
    expect(orphans.results).toMatchObject([{ database, attempts: 1 }])
    await runInDurableObject(tenantObject('given-up'), (_, { storage }) => {
      const record = storage.kv.get<{ orphans: { retryAt: number }[] }>('tenant')!
      for (const orphan of record.orphans) orphan.retryAt = 0
      storage.kv.put('tenant', record)
    })
    await runDurableObjectAlarm(tenantObject('given-up'))
    await delivered('given-up')
    expect(
      await directory.prepare('select * from orphans where tenant = ?').bind('given-up').first(),
    ).toBeNull()
  })

  test('loses a tenant that is gone, and takes its next life for what it is', async () => {
    await failNext({ kind: 'respond', on: 'databases.create', status: 400, body: '{"error":"no"}' })
    expect((await signUp({ id: 'reborn' })).status).toBe(502)
    expect((await remove('reborn')).status).toBe(202)
    // The alarm has nothing to delete and forgets; storage is empty once the directory knows.
    await expect
      .poll(() =>
        runInDurableObject(tenantObject('reborn'), async (_, { storage }) => [
          [...storage.kv.list()].length,
          await storage.getAlarm(),
        ]),
      )
      .toEqual([0, null])
    expect(await rowOf('reborn')).toBeNull()
    const { database } = await signUpNow({ id: 'reborn' })
    await delivered('reborn')
    expect(await rowOf('reborn')).toMatchObject({ status: 'active', database: database.name })
    expect(await auditOf('reborn')).toEqual([
      'key:app signup begun',
      'worker provision failed',
      'key:ops delete accepted',
      'worker forget done',
      'key:app signup begun',
      'worker provision active',
      'key:app token created',
    ])
  })

  test('that is down fails no signup, and has all of it once it is back', async () => {
    await signUpNow({ id: 'before-the-fault' })
    await delivered('before-the-fault')
    await directory.exec('alter table tenants rename to hidden')
    try {
      await signUpNow({ id: 'meanwhile' })
      await expect.poll(async () => (await outboxOf('meanwhile'))?.attempts).toBeGreaterThan(0)
      const alarmAt = await runInDurableObject(tenantObject('meanwhile'), (_, { storage }) =>
        storage.getAlarm(),
      )
      expect(alarmAt).toBeGreaterThan(Date.now())
      await runDurableObjectAlarm(tenantObject('meanwhile'))
      expect((await outboxOf('meanwhile'))?.attempts).toBeGreaterThan(1)
    } finally {
      await directory.exec('alter table hidden rename to tenants')
    }
    expect(await rowOf('meanwhile')).toBeNull()
    await runDurableObjectAlarm(tenantObject('meanwhile'))
    expect(await rowOf('meanwhile')).toMatchObject({ status: 'active' })
    expect(await auditOf('meanwhile')).toHaveLength(3)
    expect(await outboxOf('meanwhile')).toMatchObject({ attempts: 0, retryAt: null })
  })

  test('that is down for long is asked ever less often, also about a tenant that is gone', async () => {
    await failNext({ kind: 'respond', on: 'databases.create', status: 400, body: '{"error":"no"}' })
    expect((await signUp({ id: 'long-gone' })).status).toBe(502)
    await delivered('long-gone')
    await directory.exec('alter table forgotten rename to hidden')
    try {
      await remove('long-gone')
      await expect.poll(async () => (await outboxOf('long-gone'))?.attempts).toBeGreaterThan(0)
      await runInDurableObject(tenantObject('long-gone'), (_, { storage }) => {
        expect(storage.kv.get('tenant')).toBeUndefined()
        storage.kv.put('outbox', { ...storage.kv.get<OutboxState>('outbox')!, attempts: 10 })
      })
      await runDurableObjectAlarm(tenantObject('long-gone'))
      expect((await outboxOf('long-gone'))?.attempts).toBe(11)
      const alarmAt = await runInDurableObject(tenantObject('long-gone'), (_, { storage }) =>
        storage.getAlarm(),
      )
      expect(alarmAt).toBeGreaterThan(Date.now() + 1_500_000)
    } finally {
      await directory.exec('alter table hidden rename to forgotten')
    }
    await runDurableObjectAlarm(tenantObject('long-gone'))
    expect(await outboxOf('long-gone')).toBeUndefined()
  })

  test('that is back gets all that was done meanwhile, some at a time', async () => {
    await signUpNow({ id: 'much-done' })
    await delivered('much-done')
    await runInDurableObject(tenantObject('much-done'), async (_, { storage }) => {
      const entry = { actor: 'key:app', requestId: null, tenant: 'much-done', action: 'token', outcome: 'x' }
      for (let count = 100; count < 220; count++) {
        const id = `000000001-${count}`
        storage.kv.put(`audit:${id}`, { ...entry, id })
      }
      storage.kv.put('outbox', { ...storage.kv.get<OutboxState>('outbox')!, retryAt: Date.now() })
      await storage.setAlarm(Date.now() + 60_000)
    })
    await runDurableObjectAlarm(tenantObject('much-done'))
    await delivered('much-done')
    expect((await auditOf('much-done')).filter((row) => row.endsWith(' x'))).toHaveLength(120)
    await runInDurableObject(tenantObject('much-done'), (_, { storage }) => {
      expect([...storage.kv.list({ prefix: 'audit:' })]).toEqual([])
    })
  })

  test('that is down for very long has so many rows of the audit waiting, and is told how often the rest was done', async () => {
    await signUpNow({ id: 'much-asked' })
    await delivered('much-asked')
    const mint = (): Promise<Response> =>
      call('/v1/tenants/much-asked/tokens', {
        method: 'POST',
        headers: { authorization: 'Bearer signup-key' },
      })
    const owed = (): Promise<AuditEntry[]> =>
      runInDurableObject(tenantObject('much-asked'), (_, { storage }) =>
        Array.from(storage.kv.list<AuditEntry>({ prefix: 'audit:' }), ([, entry]) => entry),
      )
    await directory.exec('alter table tenants rename to hidden')
    try {
      expect((await mint()).status).toBe(201)
      await expect.poll(async () => (await outboxOf('much-asked'))?.attempts).toBeGreaterThan(0)
      await runInDurableObject(tenantObject('much-asked'), (_, { storage }) => {
        const [[, entry]] = [...storage.kv.list<AuditEntry>({ prefix: 'audit:' })] as [[string, AuditEntry]]
        for (let count = 1; count < MAX_OWED_AUDIT_ROWS; count++) {
          const id = `000000001-${String(count).padStart(3, '0')}`
          storage.kv.put(`audit:${id}`, { ...entry, id, actor: 'key:earlier' })
        }
      })
      const info = vi.spyOn(console, 'info').mockImplementation(() => {})
      for (let count = 0; count < 3; count++) expect((await mint()).status).toBe(201)
      const counted = info.mock.calls.filter(([line]) => String(line).includes('deed_counted'))
      expect(counted).toHaveLength(3)
      expect(counted[0]![0]).toMatch(
        /"tenant":"much-asked","request_id":"[^"]+","actor":"key:app","action":"token"/,
      )
      expect(await owed()).toHaveLength(MAX_OWED_AUDIT_ROWS)
      // What has not been done before has a row all the same.
      expect((await remove('much-asked')).status).toBe(202)
      expect(await owed()).toHaveLength(MAX_OWED_AUDIT_ROWS + 1)
    } finally {
      await directory.exec('alter table hidden rename to tenants')
    }
    await runDurableObjectAlarm(tenantObject('much-asked'))
    await delivered('much-asked')
    expect(await owed()).toEqual([])
    const response = await call('/v1/audit?tenant=much-asked&action=token&actor=key%3Aapp', {
      headers: { authorization: 'Bearer admin-key' },
    })
    const { audit } = (await response.json()) as { audit: { repeats: number }[] }
    expect(audit.map(({ repeats }) => repeats)).toEqual([3, 0])
  })

  test('that never answers holds nobody up', async () => {
    const answer = Promise.withResolvers<never>()
    const batch = vi.spyOn(Object.getPrototypeOf(directory) as D1Database, 'batch')
    batch.mockReturnValue(answer.promise)
    expect((await signUpNow({ id: 'unanswered' })).tenant.status).toBe('active')
    expect(batch).toHaveBeenCalledTimes(1)
    batch.mockRestore()
    answer.reject(new Error('the connection was lost'))
    await expect.poll(async () => (await outboxOf('unanswered'))?.attempts).toBe(1)
    await runDurableObjectAlarm(tenantObject('unanswered'))
    expect(await rowOf('unanswered')).toMatchObject({ status: 'active' })
  })
})

test('deliveries that come twice, late and in any order end as in the simulator', async () => {
  const random = createRandom(7)
  for (let round = 0; round < 5; round++) {
    const model = createDirectory()
    const id = `ordered-${round}`
    for (let step = 0; step < 25; step++) {
      const revision = random.between(1, 8)
      const rowless = random.chance(0.25)
      const { row } = live(id, revision, random.between(1, 3))
      const audit = Array.from({ length: random.between(0, 2) }, () => token(id, random))
      const publication = { tenant: id, revision, row: rowless ? null : row, audit }
      expect(await publish(directory, publication), `round ${round}, step ${step}`).toEqual(
        model.apply(publication),
      )
      const expected = model.rows.get(id)
      const actual = await rowOf(id)
      expect([actual?.['revision'], actual?.['database']]).toEqual([
        expected?.revision,
        expected?.row.database,
      ])
      const { results } = await directory
        .prepare('select database from orphans where tenant = ?')
        .bind(id)
        .all()
      expect(results).toEqual(expected?.row.orphans.map(({ name }) => ({ database: name })) ?? [])
    }
    const { results: rows } = await directory
      .prepare('select id, repeats from audit where tenant = ? order by id')
      .bind(id)
      .all()
    const counted = [...model.audit.values()].map((entry) => ({ id: entry.id, repeats: entry.repeats }))
    expect(rows.length).toBeGreaterThan(0)
    expect(rows).toEqual(counted.toSorted((a, b) => (a.id < b.id ? -1 : 1)))
  }
})

/** One of a few rows, of which an earlier or a later delivery may have counted more. */
function token(tenant: string, random: Random): AuditEntry {
  const id = `000000001-${tenant}-${random.between(1, 3)}`
  const repeats = random.between(0, 5)
  return { id, tenant, actor: 'key:app', requestId: null, action: 'token', outcome: 'created', repeats }
}

function live(id: string, revision: number, life: number): Publication {
  const orphans =
    revision % 2 === 0 ? [{ name: `${id}-orphan-${revision}`, since: 1, attempts: 0, retryAt: 2 }] : []
  return {
    tenant: id,
    revision,
    audit: [],
    row: {
      id,
      name: null,
      status: 'active',
      group: 'default',
      location: 'here',
      database: `${id}-${life}`,
      schemaVersion: 1,
      createdAt: '2026-11-28T00:00:00.000Z',
      orphans,
      expectedBy: null,
    },
  }
}
