import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLocalTurso, DataFolderError, type LocalTursoOptions } from '../../local/index.ts'
import { createClock, rowsOf, start } from './harness.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'local-turso-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function failureOf(data: string): string {
  try {
    void createLocalTurso({ data }).close()
  } catch (error) {
    if (error instanceof DataFolderError) return error.message
    throw error
  }
  throw new Error('it opened')
}

describe('the data folder', () => {
  test('keeps databases, rows and tokens over a restart, but no streams', async () => {
    const data = join(temporaryFolder(), 'new', 'folder')
    const first = await start({ data })
    const before = await first.create('acme')
    await before.execute('create table t (a)', 'insert into t values (1)')
    const { baton } = await before.run([], { keep: true })
    const { body } = await first.api('GET', 'databases/acme')
    await first.turso.close()

    const second = await start({ data })
    expect((await second.api('GET', 'databases/acme')).body).toEqual(body)
    const after = await second.use('acme')
    const requests = [{ type: 'execute', stmt: { sql: 'select a from t' } }, { type: 'close' }]
    const answer = await after.send({ requests }, { jwt: before.jwt })
    expect(rowsOf(answer.body.results[0])).toEqual([[{ type: 'integer', value: '1' }]])
    expect((await after.send({ baton, requests: [] })).text).toBe('Received an invalid baton')
  })

  test('is readable by its owner alone, for it holds the signing key', async () => {
    const data = join(temporaryFolder(), 'data')
    await start({ data })
    expect(statSync(data).mode & 0o777).toBe(0o700)
    expect(statSync(join(data, 'catalogue.db')).mode & 0o777).toBe(0o600)
  })

  test.each([
    ['kept', true, '1'],
    ['temporary', false, '0'],
  ])('that is %s is written through to the disk: %s', async (_, isKept, synchronous) => {
    const { create } = await start(isKept ? { data: join(temporaryFolder(), 'data') } : {})
    const database = await create('acme')
    const [result] = await database.execute('pragma synchronous')
    expect(rowsOf(result)).toEqual([[{ type: 'integer', value: synchronous }]])
  })

  test('is a temporary one by default, removed by close', async () => {
    const folder = temporaryFolder()
    vi.stubEnv('TMPDIR', folder)
    const { create, turso } = await start()
    vi.unstubAllEnvs()
    await create('acme')
    expect(readdirSync(folder)).toHaveLength(1)
    await turso.close()
    expect(readdirSync(folder)).toEqual([])
  })

  test('is used by one local Turso at a time', async () => {
    const data = temporaryFolder()
    const { turso } = await start({ data })
    expect(failureOf(data)).toBe(`another local Turso is using ${data}`)
    await turso.close()
    await start({ data })
  })

  test('that holds other things is refused and left as it is', () => {
    const data = temporaryFolder()
    writeFileSync(join(data, 'thesis.txt'), 'mine')
    expect(failureOf(data)).toContain(`${data} is not a data folder of the local Turso`)
    expect(readdirSync(data)).toEqual(['thesis.txt'])
  })

  test('that is a file is refused', () => {
    const data = join(temporaryFolder(), 'file')
    writeFileSync(data, '')
    expect(failureOf(data)).toContain(`cannot use ${data} as data folder`)
  })

  test('with a damaged catalogue is refused and left as it is', () => {
    const data = temporaryFolder()
    const catalogue = join(data, 'catalogue.db')
    writeFileSync(
      catalogue,
      'no database at all, but as long as a header of one would have to be, 100 bytes.'.repeat(9),
    )
    const size = statSync(catalogue).size
    expect(failureOf(data)).toContain(`${catalogue} cannot be used: file is not a database`)
    expect(statSync(catalogue).size).toBe(size)
  })

  test('whose database has lost its file is refused with the names and the remedy', async () => {
    const data = temporaryFolder()
    const { api, create, turso } = await start({ data })
    await create('acme')
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    await turso.close()
    const file = join(data, 'databases', `${DbId}.db`)
    rmSync(file)
    expect(failureOf(data)).toBe(`database "acme" has lost its file ${file}; start over with --fresh`)
  })

  test('loses the files that a crash left without a row, and no others', async () => {
    const data = temporaryFolder()
    const { api, create, turso } = await start({ data })
    await create('acme')
    const { DbId } = (await api('GET', 'databases/acme')).body.database
    await turso.close()
    const orphan = '00000000-0000-4000-8000-000000000000'
    for (const name of [`${orphan}.db`, `${orphan}.db-wal`, 'notes.txt']) {
      writeFileSync(join(data, 'databases', name), '')
    }
    await start({ data })
    const files = readdirSync(join(data, 'databases'))
    expect(files).toContain(`${DbId}.db`)
    expect(files).toContain('notes.txt')
    expect(files.filter((name) => name.startsWith(orphan))).toEqual([])
  })

  test('keeps a deleted database for five days and nothing of it afterwards, nor at all on the free plan', async () => {
    const clock = createClock()
    const data = temporaryFolder()
    const { api, create, turso } = await start({ data, now: clock.now })
    const files = () => readdirSync(join(data, 'databases'))
    await (await create('acme')).execute('create table t (a)')
    await api('DELETE', 'databases/acme')
    clock.advance(5 * 86_400_000 - 1)
    await api('GET', 'databases')
    expect(files()).not.toEqual([])
    clock.advance(1)
    await api('GET', 'databases')
    expect(files()).toEqual([])
    await turso.close()

    const free = await start({ data, now: clock.now, plan: 'starter' })
    await (await free.create('acme')).execute('create table t (a)')
    await free.api('DELETE', 'databases/acme')
    expect(files()).toEqual([])
  })
})

test.each<[LocalTursoOptions, string]>([
  [{ organization: 'Not a slug' }, '"organization"'],
  [{ platformToken: '' }, '"platformToken"'],
  [{ streamIdleMs: -1 }, '"streamIdleMs"'],
  [{ plan: 'gold' as 'pro' }, '"plan"'],
  [{ traps: { createToServeGapMs: Number.NaN } }, '"traps.createToServeGapMs"'],
  [{ traps: { listCutAt: -1 } }, '"traps.listCutAt"'],
  [{ traps: { duplicateCreate: 418 as 409 } }, '"traps.duplicateCreate"'],
  [{ traps: { generation: 'gcp' as 'aws' } }, '"traps.generation"'],
  [{ traps: { databaseQuota: { databases: 1, status: 500 as 402 } } }, '"traps.databaseQuota.status"'],
  [{ traps: { rateLimit: { requests: 1, windowMs: -1 } } }, '"traps.rateLimit.windowMs"'],
])('the option in %j is refused by its name', (options, name) => {
  expect(() => createLocalTurso(options)).toThrow(name)
})
