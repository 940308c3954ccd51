import { createHash, randomUUID } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readMigrations } from '../../tools/migrations/read.ts'
import { SEAL, writeSeal } from '../../tools/migrations/seal.ts'
import { bundleMigrations } from '../../tools/bundle-migrations.ts'

let root: string
let from: string
let to: string

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'bundle-migrations-'))
  from = path.join(root, 'migrations')
  to = path.join(root, 'schema/migrations.generated.ts')
  await mkdir(from)
})
afterEach(() => rm(root, { recursive: true }))

async function bundle(files: Record<string, string | Uint8Array>) {
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(path.join(from, name), text)))
  await bundleMigrations({ from, to })
  const fresh = path.join(root, `${randomUUID()}.ts`) // a module is loaded once per path
  await copyFile(to, fresh)
  const generated: { migrations: unknown } = await import(/* @vite-ignore */ fresh)
  return generated.migrations
}

const trigger = "create trigger t after insert on a begin\n  update a set x = 'ü;';\nend"

describe('bundleMigrations', () => {
  it('writes the statements of every file in the order of their numbers', async () => {
    const text = `create table a (x); -- first\n\n${trigger};\n`
    expect(
      await bundle({
        '10000_last.sql': 'drop table a',
        '0001_first.sql': text,
        '.DS_Store': '',
        'README.md': '',
      }),
    ).toEqual([
      {
        version: 1,
        name: 'first',
        checksum: createHash('sha256').update(text).digest('hex'),
        statements: ['create table a (x)', trigger],
      },
      expect.objectContaining({ version: 10000, name: 'last', statements: ['drop table a'] }),
    ])
  })

  it('gives the same module for CRLF and LF', async () => {
    const unix = await bundle({ '0001_a.sql': `create table a (x);\n${trigger};\n` })
    const windows = await bundle({
      '0001_a.sql': `create table a (x);\r\n${trigger.replaceAll('\n', '\r\n')};\r\n`,
    })
    expect(windows).toEqual(unix)
  })

  it('does not touch the module when nothing changed', async () => {
    await bundle({ '0001_a.sql': 'create table a (x)' })
    const before = await stat(to)
    await bundleMigrations({ from, to })
    expect((await stat(to)).ino).toBe(before.ino)
    await bundle({ '0001_a.sql': 'create table b (x)' })
    expect((await stat(to)).ino).not.toBe(before.ino)
  })

  it('accepts an empty folder', async () => {
    expect(await bundle({})).toEqual([])
  })

  it('names file, line and reason of a broken statement, and leaves the module as it was', async () => {
    await bundle({ '0001_a.sql': 'create table a (x)' })
    const before = await readFile(to, 'utf8')
    await expect(
      bundle({ '0002_x.sql': 'insert into a values (1);\n\n-- note\ncreate tabel b (x);' }),
    ).rejects.toThrow(/migrations\/0002_x\.sql:4: near "tabel": syntax error$/)
    expect(await readFile(to, 'utf8')).toBe(before)
  })

  it('refuses what fails only because of an earlier migration', async () => {
    await expect(
      bundle({ '0001_a.sql': 'create table a (x)', '0002_a.sql': 'create table a (y)' }),
    ).rejects.toThrow('0002_a.sql:1: table a already exists')
  })

  it.each([
    'begin',
    'COMMIT',
    'end',
    'rollback',
    'savepoint a',
    'release a',
    'vacuum',
    "attach 'b' as b",
    'detach b',
  ])('refuses %s, which cannot run in an atomic batch', async (sql) => {
    const word = sql.split(' ')[0]?.toUpperCase()
    await expect(bundle({ '0001_a.sql': `select 1;\n/* why */ ${sql};` })).rejects.toThrow(
      `0001_a.sql:2: ${word} is not allowed: `,
    )
  })

  it.each(['PRAGMA foreign_keys = off', 'pragma/**/main.foreign_keys(0)'])(
    'refuses %s, which a transaction ignores',
    async (sql) => {
      await expect(bundle({ '0001_a.sql': sql })).rejects.toThrow(
        '0001_a.sql:1: PRAGMA foreign_keys is not allowed: it has no effect',
      )
    },
  )

  it.each([
    ['analyze', 'ANALYZE', 'Turso does not run it'],
    ['pragma optimize', 'PRAGMA optimize', 'Turso does not run it'],
    ['pragma application_id = 7', 'PRAGMA application_id', 'Turso does not run it'],
    ['pragma user_version = 7', 'PRAGMA user_version', 'Turso Cloud does not let it be set'],
    ['pragma main.user_version(7)', 'PRAGMA user_version', 'Turso Cloud does not let it be set'],
    ['create temp table t (x)', 'CREATE TEMP', 'Turso makes nothing temporary'],
    ['create table temp.t (x)', 'CREATE', 'Turso does not run it'],
    ['insert into a values (:x)', 'INSERT', 'nothing is bound to its parameters'],
  ])('refuses %s, which runs here and not at Turso', async (sql, name, why) => {
    await expect(bundle({ '0001_a.sql': `create table a (x);\n${sql};` })).rejects.toThrow(
      `0001_a.sql:2: ${name} is not allowed: ${why}`,
    )
  })

  it.each(['pragma defer_foreign_keys = on', 'pragma user_version', 'reindex', "select '?', ':x'"])(
    'accepts %s',
    async (sql) => {
      expect(await bundle({ '0001_a.sql': sql })).toHaveLength(1)
    },
  )

  it.each(['1_a.sql', '0000_a.sql', '0001.sql', '0001_a b.sql', '0001_a.txt', 'a.sql'])(
    'refuses the name %s',
    async (name) => {
      await expect(bundle({ [name]: 'select 1' })).rejects.toThrow('NNNN_name.sql')
    },
  )

  it('refuses two files with one number, no statements, and what is not text', async () => {
    await expect(bundle({ '0001_a.sql': 'select 1', '00001_b.sql': 'select 1' })).rejects.toThrow(
      'the same number 1',
    )
    await rm(path.join(from, '00001_b.sql'))
    await expect(bundle({ '0001_a.sql': '-- nothing' })).rejects.toThrow('0001_a.sql: contains no statement')
    await expect(bundle({ '0001_a.sql': Uint8Array.of(0xff, 0xfe) })).rejects.toThrow(
      '0001_a.sql: is not UTF-8 text',
    )
  })

  describe('with a note of what was deployed', () => {
    const sql = { '0001_a.sql': 'create table a (x)', '0003_c.sql': 'create table c (x)' }
    beforeEach(async () => {
      await bundle(sql)
      await writeSeal(from, await readMigrations(from))
    })

    it('accepts what is the same, and what comes after it', async () => {
      expect(await bundle({ '0004_d.sql': 'create table d (x)' })).toHaveLength(3)
    })

    it('refuses a file that was changed, that is gone, or that comes before', async () => {
      await expect(bundle({ '0001_a.sql': 'create table a (y)' })).rejects.toThrow(
        '0001_a.sql: was changed after it was deployed',
      )
      await expect(bundle({ ...sql, '0002_b.sql': 'create table b (x)' })).rejects.toThrow(
        '0002_b.sql: comes before a migration that was deployed',
      )
      await rm(path.join(from, '0002_b.sql'))
      await rm(path.join(from, '0003_c.sql'))
      await expect(bundle({})).rejects.toThrow('0003_c.sql: was deployed, and is not there any more')
    })

    it('refuses a note that it cannot read', async () => {
      await writeFile(path.join(from, SEAL), 'nonsense')
      await expect(bundle({})).rejects.toThrow('is not a checksum and a file name')
    })
  })

  it('accepts the migrations of this repository', async () => {
    expect(
      await bundleMigrations({ from: path.join(import.meta.dirname, '../../migrations'), to }),
    ).toBeGreaterThan(0)
  })
})
