/** Whatever can be asked of a row or a result set is answered as `@libsql/client` answers it. */
import { createClient as createTheirs } from '@libsql/client/http'
import { beforeAll, describe, expect, test } from 'vitest'
import { createClient, type Client, type ResultSet } from '../../../src/libsql/index.ts'
import { createTestDatabase } from '../../support/turso.ts'

let ours: Client
let theirs: Client

beforeAll(async () => {
  const { hostname, token } = await createTestDatabase()
  const config = { url: `https://${hostname}`, authToken: token }
  ours = createClient(config)
  theirs = createTheirs(config)
  await ours.batch([
    'create table t (id integer primary key, title text, body blob, score real)',
    "insert into t values (1, 'one', x'0102', 1.5), (2, null, null, null), (3, '', x'', 3)",
  ])
})

const both = (sql: string): Promise<[ResultSet, ResultSet]> =>
  Promise.all([ours.execute(sql), theirs.execute(sql)])

/** A loop over a row sees what is inherited as well. */
function namesByLoop(row: object): string[] {
  const names: string[] = []
  for (const name in row) names.push(name)
  return names
}

describe.each([
  'select * from t order by id',
  'select id, id, title as id from t',
  'select id as a, title as b, score as a from t',
  'select 1, 2',
  'select 2, 1, 0',
  'select 7 as "0", 8 as "1", 9 as "7"',
  'select length(title) as length, title from t',
  'select 1 as __proto__, 2 as constructor, 3 as toString, 4 as hasOwnProperty',
  "select 1 as '', 2 as 'a b'",
  'select * from t where id = 0',
  "insert into t (title) values ('new') returning id > 0 as isNew, title",
  "update t set title = 'x' where id = 1",
  'delete from t where id > 3',
  'create table if not exists other (a)',
])('the result of %s', (sql) => {
  test('is equal to that of @libsql/client', async () => {
    const [a, b] = await both(sql)
    if (sql.startsWith('insert')) b.lastInsertRowid = a.lastInsertRowid
    if (sql.startsWith('delete')) b.rowsAffected = a.rowsAffected
    expect(a).toEqual(b)
    expect(b).toEqual(a)
    expect(Object.keys(a)).toEqual(Object.keys(b))
    expect(a.toJSON()).toEqual(b.toJSON())
    expect(JSON.stringify(a)).toBe(JSON.stringify(b))
    for (const [index, row] of a.rows.entries()) {
      const other = b.rows[index]!
      expect(row).toStrictEqual(other)
      expect(Object.getOwnPropertyDescriptors(row)).toEqual(Object.getOwnPropertyDescriptors(other))
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
      expect(JSON.stringify(row)).toBe(JSON.stringify(other))
      expect(Object.keys(row)).toEqual(Object.keys(other))
      expect(namesByLoop(row)).toEqual(namesByLoop(other))
      expect({ ...row }).toEqual({ ...other })
      expect(Array.from(row)).toEqual(Array.from(other))
      expect(Array.prototype.slice.call(row)).toEqual(Array.prototype.slice.call(other))
      expect(structuredClone(row)).toEqual(structuredClone(other))
      expect(row.length).toBe(other.length)
      for (let column = 0; column < a.columns.length; column++) expect(row[column]).toEqual(other[column])
    }
  })
})

test('a result set can be cloned, as it must be for Workers RPC', async () => {
  const result = await ours.execute('select * from t where id = 1')
  expect(structuredClone(result)).toEqual({ ...result })
})
