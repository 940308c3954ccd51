/** Folders that an earlier version has written, or that a later one has. */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createLocalTurso } from '../../local/index.ts'
import { rowsOf, start } from './harness.ts'

const GROUP_ID = '11111111-1111-4111-8111-111111111111'
const DATABASE_ID = '22222222-2222-4222-8222-222222222222'

/** As version 1 made it: one group, one database with a row in it, and the key that signed its tokens. */
function writeVersion1(): { data: string; jwt: string } {
  const data = mkdtempSync(join(tmpdir(), 'local-turso-version-'))
  onTestFinished(() => rmSync(data, { recursive: true, force: true }))
  mkdirSync(join(data, 'databases'))
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const catalogue = new Database(join(data, 'catalogue.db'))
  catalogue.exec(`pragma journal_mode = wal;
    create table groups (id text primary key, name text not null unique, location text not null);
    create table databases (
      id text primary key,
      name text not null unique,
      group_id text not null references groups (id),
      created_at_ms integer not null
    );
    create table signing_key (pem text not null);
    insert into groups values ('${GROUP_ID}', 'default', 'aws-eu-west-1');
    insert into databases values ('${DATABASE_ID}', 'acme', '${GROUP_ID}', 1700000000000);
    insert into signing_key values ('${pem}');
    pragma application_id = ${0x74757273};
    pragma user_version = 1`)
  catalogue.close()
  const database = new Database(join(data, 'databases', `${DATABASE_ID}.db`))
  database.exec('pragma journal_mode = wal; create table t (a); insert into t values (1)')
  database.close()

  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'EdDSA', typ: 'JWT' })}.${part({ a: 'rw', id: DATABASE_ID, iat: 1_700_000_000 })}`
  const signature = sign(null, Buffer.from(signed), createPrivateKey(pem)).toString('base64url')
  return { data, jwt: `${signed}.${signature}` }
}

describe('a folder of version 1', () => {
  test('opens with its groups, its rows and its tokens', async () => {
    const { data, jwt } = writeVersion1()
    const { api, use } = await start({ data })
    expect((await api('GET', 'groups/default')).body.group).toMatchObject({ uuid: GROUP_ID })
    expect((await api('GET', 'databases/acme')).body.database).toMatchObject({
      DbId: DATABASE_ID,
      Hostname: 'acme-local.aws-eu-west-1.turso.io',
      group: 'default',
      parent: null,
    })
    const database = await use('acme')
    const read = { requests: [{ type: 'execute', stmt: { sql: 'select a from t' } }] }
    const answer = await database.send(read, { jwt })
    expect(rowsOf(answer.body.results[0])).toEqual([[{ type: 'integer', value: '1' }]])
    // Until they are rotated for the first time.
    await api('POST', 'databases/acme/auth/rotate')
    expect((await database.send(read, { jwt })).status).toBe(401)
    expect((await (await use('acme')).send(read)).status).toBe(200)
  })

  test('has everything that is new, and opens again as what it has become', async () => {
    const { data } = writeVersion1()
    const first = await start({ data })
    await first.api('PATCH', 'databases/acme/configuration', { delete_protection: true })
    await first.api('POST', 'members', { username: 'iku', role: 'admin' })
    const { organization } = (await first.api('GET', '/local')).body
    await first.turso.close()
    const second = await start({ data })
    expect((await second.api('GET', 'databases/acme')).body.database.delete_protection).toBe(true)
    expect((await second.api('GET', 'members')).body.members).toHaveLength(2)
    expect((await second.api('GET', '/local')).body).toEqual({ organization })
    expect((await second.api('GET', 'audit-logs')).body.pagination.total_rows).toBe(2)
  })

  test('may be opened under another slug, which its host names follow', async () => {
    const { data } = writeVersion1()
    const first = await start({ data })
    await first.turso.close()
    const second = await start({ data, organization: 'other' })
    const { body } = await second.api('GET', '/other/databases/acme')
    expect(body.database.Hostname).toBe('acme-other.aws-eu-west-1.turso.io')
  })
})

test('the slug of another organization in the folder is refused', async () => {
  const { data } = writeVersion1()
  const { call, turso } = await start({ data })
  await call('POST', '/v1/organizations', { name: 'team' })
  await turso.close()
  expect(() => createLocalTurso({ data, organization: 'team' })).toThrow('it has another organization "team"')
  // It is as it was.
  await start({ data })
})

test('a folder of a later version is refused and left alone', async () => {
  const { data } = writeVersion1()
  const catalogue = new Database(join(data, 'catalogue.db'))
  catalogue.exec('pragma user_version = 99')
  catalogue.close()
  expect(() => createLocalTurso({ data })).toThrow('it has version 99, this local Turso knows version 2')
})
