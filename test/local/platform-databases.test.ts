import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createClock, rowsOf, start, toAnswer, type Answer } from './harness.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Rows next to the one that is there, with files that nobody looks into. */
function addDatabases(data: string, names: string[]): void {
  const catalogue = new Database(join(data, 'catalogue.db'))
  const insert = catalogue.prepare(
    `insert into databases (id, organization_id, group_id, name, created_at_ms)
      select ?, organization_id, group_id, ?, 0 from databases limit 1`,
  )
  catalogue.exec('begin')
  for (const name of names) {
    const id = randomUUID()
    insert.run([id, name])
    writeFileSync(join(data, 'databases', `${id}.db`), '')
  }
  catalogue.exec('commit')
  catalogue.close()
}

describe('lists of databases', () => {
  test('page through 3,000 databases, each once and in order, at most 1,000 at a time', async () => {
    const data = mkdtempSync(join(tmpdir(), 'local-turso-pages-'))
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    const first = await start({ data })
    await first.create('db-0000')
    await first.turso.close()
    const names = Array.from({ length: 3_000 }, (_, index) => `db-${String(index).padStart(4, '0')}`)
    addDatabases(data, names.slice(1))
    const { api } = await start({ data })

    const seen: string[] = []
    const sizes: number[] = []
    let next: string | null = ''
    while (next !== null) {
      const query: string = next === '' ? '' : `?cursor=${encodeURIComponent(next)}`
      const { body } = await api('GET', `databases${query}`)
      seen.push(...body.databases.map(({ Name }: { Name: string }) => Name))
      sizes.push(body.databases.length)
      next = body.pagination.next
    }
    expect(seen).toEqual(names)
    expect(sizes).toEqual([1_000, 1_000, 1_000])

    const some = (await api('GET', 'databases?limit=7')).body
    expect(some.databases).toHaveLength(7)
    const second = (await api('GET', `databases?limit=7&cursor=${encodeURIComponent(some.pagination.next)}`))
      .body
    expect(second.databases[0].Name).toBe('db-0007')
  })

  test.each(['limit=0', 'limit=1001', 'limit=x', 'limit=-1', 'cursor=x', 'cursor=e30'])(
    'with %s are refused with 400',
    async (query) => {
      const { api } = await start()
      expect((await api('GET', `databases?${query}`)).status).toBe(400)
    },
  )

  test('filter by group, by parent and by schema', async () => {
    const { api, create } = await start()
    await create('acme')
    await api('POST', 'groups', { name: 'other', location: 'aws-us-east-1' })
    await api('POST', 'databases', { name: 'beta', group: 'other' })
    await api('POST', 'databases', {
      name: 'copy',
      group: 'default',
      seed: { type: 'database', name: 'acme' },
    })
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    const names = async (query: string) =>
      (await api('GET', `databases?${query}`)).body.databases.map(({ Name }: { Name: string }) => Name)
    expect(await names('group=other')).toEqual(['beta'])
    expect(await names('group=nope')).toEqual([])
    expect(await names(`parent=${DbId}`)).toEqual(['copy'])
    expect(await names('schema=acme')).toEqual([])
  })
})

describe('a seed', () => {
  test('copies a database as it is, uncommitted rows left out, and the copy is independent', async () => {
    const { api, create, use } = await start()
    const source = await create('acme')
    await source.execute('create table t (a)', 'insert into t values (1)')
    const { baton } = await source.run(
      ['begin immediate', 'insert into t values (2)'].map((sql) => ({ type: 'execute', stmt: { sql } })),
      { keep: true },
    )
    const seed = { type: 'database', name: 'acme' }
    expect((await api('POST', 'databases', { name: 'copy', group: 'default', seed })).status).toBe(200)
    await source.run([{ type: 'execute', stmt: { sql: 'commit' } }], { baton })

    const copy = await use('copy')
    expect(rowsOf((await copy.execute('select a from t'))[0])).toEqual([[{ type: 'integer', value: '1' }]])
    await copy.execute('insert into t values (3)')
    expect(rowsOf((await source.execute('select a from t'))[0])).toHaveLength(2)

    const [parent, child] = [await api('GET', 'databases/acme'), await api('GET', 'databases/copy')]
    const { DbId } = parent.body.database
    expect(child.body.database.parent).toEqual({ id: DbId, name: 'acme', branched_at: expect.any(String) })
    expect(parent.body.database.parent).toBeNull()
    expect((await copy.send({ requests: [] }, { jwt: source.jwt })).status).toBe(404)
  })

  test('is found under the name that the CLI uses, and survives its parent', async () => {
    const { api, create, use } = await start()
    await (await create('acme')).execute('create table t (a)')
    await api('POST', 'databases', {
      name: 'copy',
      group: 'default',
      seed: { type: 'database', value: 'acme' },
    })
    await api('DELETE', 'databases/acme')
    expect((await (await use('copy')).execute('select * from t'))[0]).toMatchObject({ type: 'ok' })
  })

  test.each([
    [
      { type: 'database', name: 'acme', timestamp: '2026-01-01T00:00:00Z' },
      'seed.timestamp is not supported',
    ],
    [{ type: 'dump', url: 'https://example.com/x' }, 'seed.type must be'],
    [{ type: 'database', name: 'nope' }, 'could not find database with name [nope]'],
    ['acme', 'seed must be an object'],
  ])('that cannot be done is refused: %j', async (seed, reason) => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('POST', 'databases', { name: 'copy', group: 'default', seed })
    expect(status).toBe(400)
    expect(body.error).toContain(reason)
  })

  test.each(['is_schema', 'use_tursodb', 'remote_encryption', 'schema'])(
    'nothing of what is asked for is ignored in silence: %s',
    async (field) => {
      const { api } = await start()
      await api('POST', 'groups', { name: 'default', location: 'aws-eu-west-1' })
      const { status, body } = await api('POST', 'databases', { name: 'a', group: 'default', [field]: true })
      expect([status, body]).toEqual([400, { error: `${field} is not supported by the local Turso` }])
    },
  )
})

describe('an upload', () => {
  const file = (...pragmas: string[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'local-turso-upload-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const database = new Database(join(folder, 'data.db'))
    for (const pragma of pragmas) database.exec(`pragma ${pragma}`)
    database.exec('create table t (a); insert into t values (42)')
    database.exec('pragma wal_checkpoint(truncate)')
    return readFileSync(join(folder, 'data.db'))
  }

  const startDraft = async () => {
    const local = await start()
    await local.api('POST', 'groups', { name: 'default', location: 'aws-eu-west-1' })
    const seed = { type: 'database_upload' }
    expect((await local.api('POST', 'databases', { name: 'acme', group: 'default', seed })).status).toBe(200)
    const database = await local.use('acme')
    const upload = async (bytes: Uint8Array, jwt = database.jwt) =>
      toAnswer(
        await local.turso.fetch(
          new Request(`${database.url}/v1/upload`, {
            method: 'POST',
            headers: { authorization: `Bearer ${jwt}` },
            body: Uint8Array.from(bytes),
          }),
        ),
      )
    /** A part of an upload in chunks. */
    const put = async (path: string, body?: Uint8Array | string | ReadableStream) =>
      toAnswer(
        await local.turso.fetch(
          new Request(`${database.url}/v2/upload/${path}`, {
            method: 'PUT',
            headers: { authorization: `Bearer ${database.jwt}` },
            ...(body !== undefined && { body: body instanceof Uint8Array ? Uint8Array.from(body) : body }),
            ...(body instanceof ReadableStream && { duplex: 'half' }),
          }),
        ),
      )
    return { ...local, database, upload, put }
  }

  /** A body that stalls after its first bytes until it is let go. */
  const stalled = (bytes: Uint8Array) => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const isReading = writer.write(Uint8Array.from(bytes.subarray(0, 100)))
    return {
      body: readable,
      isReading,
      async release() {
        await writer.write(Uint8Array.from(bytes.subarray(100)))
        await writer.close()
      },
    }
  }

  test('becomes the database, once; before it the database is not served', async () => {
    const { database, upload } = await startDraft()
    expect((await database.send({ requests: [] })).status).toBe(404)
    const { status, text } = await upload(file('journal_mode = wal'))
    expect([status, text]).toEqual([200, ''])
    expect(rowsOf((await database.execute('select a from t'))[0])).toEqual([
      [{ type: 'integer', value: '42' }],
    ])
    expect(await database.execute('insert into t values (1)')).toMatchObject([{ type: 'ok' }])
    expect((await upload(file('journal_mode = wal'))).status).toBe(404)
  })

  test.each([
    ['another page size', () => file('page_size = 8192', 'journal_mode = wal'), 'the page size must be 4096'],
    ['no WAL', () => file('journal_mode = delete'), 'the journal mode must be WAL'],
    ['auto_vacuum', () => file('auto_vacuum = 1', 'journal_mode = wal'), 'auto_vacuum must be 0'],
    ['UTF-16', () => file("encoding = 'UTF-16'", 'journal_mode = wal'), 'the encoding must be UTF-8'],
    ['text', () => Buffer.from('hello'), 'it is not an SQLite database'],
    ['nothing', () => Buffer.alloc(0), 'it is not an SQLite database'],
    ['a piece missing', () => file('journal_mode = wal').subarray(0, 5_000), 'it ends within a page'],
    [
      'a schema that is not text',
      () =>
        Buffer.from(file('journal_mode = wal').toString('latin1').replace('CREATE', 'CR\xffATE'), 'latin1'),
      'it is damaged',
    ],
    [
      'names that are not UTF-8',
      () =>
        Buffer.from(file('journal_mode = wal').toString('latin1').replaceAll('t (a)', 't (\xff)'), 'latin1'),
      'its schema is not UTF-8',
    ],
    ['a page missing', () => file('journal_mode = wal').subarray(0, 4_096), 'it is damaged'],
  ])('of a file with %s is refused with 400 and can be repeated', async (_, bytes, reason) => {
    const { database, upload } = await startDraft()
    const { status, body } = await upload(bytes())
    expect([status, body]).toEqual([400, { error: `invalid database file: ${reason}` }])
    expect((await upload(file('journal_mode = wal'))).status).toBe(200)
    expect((await database.execute('select * from t'))[0]).toMatchObject({ type: 'ok' })
  })

  test('comes in chunks as well, in any order, and is complete when it is finished', async () => {
    const { database, put } = await startDraft()
    const bytes = file(
      'journal_mode = wal',
      'user_version = 1; create table filler as select zeroblob(9000000) as b',
    )
    for (const size of ['', '{}', '{"db_size_bytes":0}', '{"db_size_bytes":1e12}', 'null']) {
      expect((await put('start', size)).status).toBe(400)
    }
    const started = await put('start', JSON.stringify({ db_size_bytes: bytes.length }))
    const { chunk_size, upload_id } = started.body
    expect([started.status, chunk_size]).toEqual([200, 8 * 1024 * 1024])
    const send = (index: number) =>
      put(`${upload_id}/chunk/${index}`, bytes.subarray(index * chunk_size, (index + 1) * chunk_size))
    const last = Math.floor(bytes.length / chunk_size)
    expect(last).toBe(1)
    const sent = await send(1)
    expect([sent.status, sent.text]).toEqual([200, ''])
    expect((await put(`${upload_id}/finalize`)).body).toEqual({ error: '1 chunks are missing' })
    expect((await put(`${upload_id}/chunk/0`, bytes.subarray(0, 5))).status).toBe(400)
    expect((await put(`${upload_id}/chunk/2`, bytes.subarray(0, 5))).status).toBe(400)
    expect((await put(`${upload_id}/chunk/1`, bytes.subarray(0, chunk_size))).status).toBe(413)
    expect((await put('other/chunk/0', bytes.subarray(0, 5))).status).toBe(404)
    await send(0)
    await send(1)
    const finished = await put(`${upload_id}/finalize`)
    expect([finished.status, finished.text]).toEqual([200, ''])
    const count = await database.execute('select length(b) from filler')
    expect(rowsOf(count[0])).toEqual([[{ type: 'integer', value: '9000000' }]])
  })

  test('that is finished is not touched by a chunk that was still coming in', async () => {
    const { database, put } = await startDraft()
    const bytes = file('journal_mode = wal')
    const { upload_id } = (await put('start', JSON.stringify({ db_size_bytes: bytes.length }))).body
    const slow = stalled(Buffer.alloc(bytes.length, 'x'))
    const late = put(`${upload_id}/chunk/0`, slow.body)
    await slow.isReading
    expect((await put(`${upload_id}/chunk/0`, bytes)).status).toBe(200)
    expect((await put(`${upload_id}/finalize`)).status).toBe(200)
    await slow.release()
    expect((await late).status).toBe(404)
    expect(rowsOf((await database.execute('pragma integrity_check'))[0])).toMatchObject([[{ value: 'ok' }]])
  })

  type Draft = Awaited<ReturnType<typeof startDraft>>

  test.each<
    [string, (draft: Draft, bytes: Uint8Array, lateChunk: () => Promise<unknown>) => Promise<Answer>]
  >([
    [
      'in chunks',
      async ({ put }, bytes, lateChunk) => {
        const { upload_id } = (await put('start', JSON.stringify({ db_size_bytes: bytes.length }))).body
        await put(`${upload_id}/chunk/0`, bytes)
        await lateChunk()
        return put(`${upload_id}/finalize`)
      },
    ],
    [
      'in one piece',
      async ({ upload }, bytes, lateChunk) => {
        const answer = await upload(bytes)
        await lateChunk()
        return answer
      },
    ],
  ])('that is begun anew %s gets nothing of an earlier one', async (_, uploadAgain) => {
    const draft = await startDraft()
    const { database, put } = draft
    const bytes = file('journal_mode = wal', 'user_version = 7')
    const { upload_id } = (await put('start', JSON.stringify({ db_size_bytes: bytes.length }))).body
    const slow = stalled(Buffer.alloc(bytes.length, 'x'))
    const late = put(`${upload_id}/chunk/0`, slow.body)
    await slow.isReading
    const finished = await uploadAgain(draft, bytes, async () => {
      await slow.release()
      expect((await late).status).toBe(404)
    })
    expect(finished.status).toBe(200)
    expect(rowsOf((await database.execute('pragma user_version'))[0])).toMatchObject([[{ value: '7' }]])
  })

  test('keeps what a chunk had when a second attempt at it breaks off', async () => {
    const { database, put } = await startDraft()
    const bytes = file('journal_mode = wal')
    const { upload_id } = (await put('start', JSON.stringify({ db_size_bytes: bytes.length }))).body
    expect((await put(`${upload_id}/chunk/0`, bytes)).status).toBe(200)
    expect((await put(`${upload_id}/chunk/0`, Buffer.alloc(500, 'x'))).status).toBe(400)
    expect((await put(`${upload_id}/finalize`)).status).toBe(200)
    expect((await database.execute('select * from t'))[0]).toMatchObject({ type: 'ok' })
  })

  test('needs a token of the database that may write', async () => {
    const { upload, use } = await startDraft()
    expect((await upload(file('journal_mode = wal'), 'nonsense')).status).toBe(401)
    const reader = await use('acme', '?authorization=read-only')
    expect((await upload(file('journal_mode = wal'), reader.jwt)).status).toBe(403)
  })
})

describe('the configuration', () => {
  test('is bare, changes by what is given, and shows in the database', async () => {
    const { api, create } = await start()
    await create('acme')
    expect((await api('GET', 'databases/acme/configuration')).body).toEqual({
      size_limit: '',
      allow_attach: false,
      block_reads: false,
      block_writes: false,
      delete_protection: false,
      allowed_ips: [],
      allowed_aws_vpc_ids: [],
    })
    await api('PATCH', 'databases/acme/configuration', {
      block_writes: true,
      allowed_ips: ['10.0.0.0/8', '::1'],
    })
    const { status, body } = await api('PATCH', 'databases/acme/configuration', { block_reads: true })
    expect(status).toBe(200)
    expect(body).toMatchObject({ block_reads: true, block_writes: true, allowed_ips: ['10.0.0.0/8', '::1'] })
    expect((await api('GET', 'databases/acme')).body.database).toMatchObject({
      block_reads: true,
      block_writes: true,
    })
    expect(
      (await api('PATCH', 'databases/acme/configuration', { allowed_ips: null })).body.allowed_ips,
    ).toEqual([])
  })

  test('blocks writes, or everything, from the next statement on', async () => {
    const { api, create } = await start()
    const database = await create('acme')
    await database.execute('create table t (a)')
    const outcomes = async () =>
      (await database.execute('select * from t', 'insert into t values (1)')).map(({ type }) => type)
    const configure = (change: object) => api('PATCH', 'databases/acme/configuration', change)
    await configure({ block_writes: true })
    expect(await outcomes()).toEqual(['ok', 'error'])
    await configure({ block_reads: true })
    expect((await database.execute('select 1'))[0]).toMatchObject({
      type: 'error',
      error: { code: 'BLOCKED' },
    })
    await configure({ block_reads: false, block_writes: false })
    expect(await outcomes()).toEqual(['ok', 'ok'])
  })

  test('protects from deletion', async () => {
    const { api, create } = await start()
    await create('acme')
    await api('PATCH', 'databases/acme/configuration', { delete_protection: true })
    const { status, body } = await api('DELETE', 'databases/acme')
    expect([status, body]).toEqual([400, { error: 'database [acme] has delete protection enabled' }])
    expect((await api('DELETE', 'groups/default')).status).toBe(400)
    await api('PATCH', 'databases/acme/configuration', { delete_protection: false })
    expect((await api('DELETE', 'databases/acme')).status).toBe(200)
  })

  test.each([
    [{ size_limit: '1gb' }, 'size_limit is not supported for db-api controlled databases'],
    [{ allow_attach: true }, 'allow_attach is not supported for db-api controlled databases'],
    [{ block_reads: 'yes' }, 'block_reads must be a boolean'],
    [{ allowed_ips: ['not an address'] }, 'allowed_ips must be a list of valid strings'],
  ])('%j is refused with 400', async (change, error) => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('PATCH', 'databases/acme/configuration', change)
    expect([status, body]).toEqual([400, { error }])
  })
})

describe('instances, usage and statistics', () => {
  test('a database has one instance for each location, whose ids stay', async () => {
    const { api, create } = await start()
    await create('acme')
    const { instances } = (await api('GET', 'databases/acme/instances')).body
    expect(instances).toEqual([
      {
        uuid: expect.stringMatching(UUID),
        name: 'aws-eu-west-1',
        type: 'primary',
        region: 'aws-eu-west-1',
        hostname: 'acme-local.aws-eu-west-1.turso.io',
      },
    ])
    const one = await api('GET', 'databases/acme/instances/aws-eu-west-1')
    expect(one.body).toEqual({ instance: instances[0] })
    expect((await api('GET', 'databases/acme/instances/nope')).status).toBe(404)
    await api('POST', 'groups/default/locations/aws-us-east-1')
    const more = (await api('GET', 'databases/acme/instances')).body.instances
    expect(more.map(({ type }: { type: string }) => type)).toEqual(['primary', 'replica'])
  })

  test('usage has the bytes of the files, and the same counters under all of its spellings', async () => {
    const { api, create } = await start()
    await create('acme')
    const { body } = await api('GET', 'databases/acme/usage')
    const [{ uuid, usage }] = body.database.instances
    expect(usage).toEqual(body.database.usage)
    expect(body.database.total).toEqual(usage)
    expect(body.total).toEqual(usage)
    expect(body.instances).toEqual({ [uuid]: usage })
    expect(usage.storage_bytes).toBeGreaterThanOrEqual(4_096)
    expect(usage).toMatchObject({ bytes_synced: 0 })
  })

  test('usage counts rows by the hour, over a restart, and statistics have the costliest statements first', async () => {
    const clock = createClock(Date.UTC(2027, 0, 15, 12))
    const data = mkdtempSync(join(tmpdir(), 'local-turso-usage-'))
    onTestFinished(() => rmSync(data, { recursive: true, force: true }))
    const { api, create, turso } = await start({ data, now: clock.now })
    const database = await create('acme')
    await database.execute('create table t (a)', 'insert into t values (1), (2), (3)')
    clock.advance(3_600_000)
    await database.execute('select * from t', 'select * from t')
    const counts = async (query: string, from = api) => {
      const { total } = (await from('GET', `databases/acme/usage${query}`)).body
      return [total.rows_read, total.rows_written]
    }
    expect(await counts('')).toEqual([6, 3])
    expect(await counts('?from=2027-01-15T13:00:00Z')).toEqual([6, 0])
    expect(await counts('?to=2027-01-15T12:30:00Z')).toEqual([0, 3])
    const { top_queries } = (await api('GET', 'databases/acme/stats')).body
    expect(top_queries).toEqual([
      { query: 'select * from t', rows_read: 6, rows_written: 0 },
      { query: 'insert into t values (1), (2), (3)', rows_read: 0, rows_written: 3 },
    ])
    await turso.close()
    const again = await start({ data, now: clock.now })
    expect(await counts('', again.api)).toEqual([6, 3])
    expect((await again.api('GET', 'usage')).body.organization.usage).toMatchObject({
      rows_read: 6,
      rows_written: 3,
    })
  })

  test('usage refuses a time without its offset in the words of the service', async () => {
    const { api, create } = await start()
    await create('acme')
    const { status, body } = await api('GET', 'databases/acme/usage?from=2023-12-12T00:00:00')
    expect([status, body]).toEqual([
      400,
      {
        error:
          'invalid from parameter: parsing time "2023-12-12T00:00:00" as "2006-01-02T15:04:05Z07:00": ' +
          'cannot parse "" as "Z07:00"',
      },
    ])
    expect((await api('GET', 'databases/acme/usage?to=yesterday')).status).toBe(400)
    expect((await api('GET', 'databases/acme/usage?from=2023-12-12T00:00:00%2B01:00')).status).toBe(200)
  })

  test('statistics of a database that nobody has asked are null', async () => {
    const { api, create } = await start()
    await create('acme')
    expect((await api('GET', 'databases/acme/stats')).body).toEqual({ top_queries: null })
    expect((await api('GET', 'databases/nope/stats')).status).toBe(404)
  })

  test('the organization sums its databases up', async () => {
    const clock = createClock()
    const { api, create } = await start({ now: clock.now })
    await create('acme')
    await create('beta')
    const { body } = await api('GET', 'usage')
    expect(body.organization).toMatchObject({
      uuid: expect.stringMatching(UUID),
      usage: { databases: 2, groups: 1 },
    })
    expect(body.organization.databases).toHaveLength(2)
    const [first, second] = body.organization.databases
    expect(body.organization.usage.storage_bytes).toBe(first.total.storage_bytes + second.total.storage_bytes)
  })
})

test('the file of a copy is no larger than its source', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'local-turso-copy-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { api, create } = await start({ data: folder })
  const source = await create('acme')
  await source.execute('create table t (a)', `insert into t values (zeroblob(1000000))`)
  await api('POST', 'databases', { name: 'copy', group: 'default', seed: { type: 'database', name: 'acme' } })
  const bytes = async (name: string) => {
    const { DbId } = (await api('GET', `databases/${name}`)).body.database
    const { usage } = (await api('GET', `databases/${name}/usage`)).body.database
    const onDisk = ['', '-wal'].reduce(
      (sum, suffix) =>
        sum +
        (statSync(join(folder, 'databases', `${DbId}.db${suffix}`), { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
    expect(usage.storage_bytes).toBe(onDisk)
    return onDisk
  }
  expect(await bytes('copy')).toBe(await bytes('acme'))
})
