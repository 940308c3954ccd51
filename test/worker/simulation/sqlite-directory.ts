/** A D1 over the SQLite of Node, that fails, answers never, late or twice. */
import type { Random } from './random.ts'
import type { VirtualTime } from './virtual-time.ts'

/** As much of `node:sqlite` as is needed; the tests beside this file have no types of Node. */
interface Sqlite {
  exec: (sql: string) => void
  prepare: (sql: string) => { all: (...args: unknown[]) => Record<string, unknown>[] }
  close: () => void
}
const { DatabaseSync } = (
  globalThis as unknown as {
    process: { getBuiltinModule: (name: string) => { DatabaseSync: new (path: string) => Sqlite } }
  }
).process.getBuiltinModule('node:sqlite')

interface Statement {
  sql: string
  args: unknown[]
}

interface World {
  random: Random
  time: VirtualTime
  isFaulty: () => boolean
}

export interface SqliteDirectory {
  database: D1Database
  read: () => { rows: object[]; orphans: unknown[]; audit: { repeats: number }[] }
  close: () => void
}

const LATEST_MS = 60_000

export function createSqliteDirectory({ random, isFaulty }: World): SqliteDirectory {
  const sqlite = new DatabaseSync(':memory:')
  const run = ({
    sql,
    args,
  }: Statement): { results: Record<string, unknown>[]; meta: { changes: number } } => ({
    results: sqlite.prepare(sql).all(...args),
    meta: { changes: 0 },
  })
  const runAll = (statements: readonly Statement[]): ReturnType<typeof run>[] => {
    sqlite.exec('begin')
    try {
      const results = statements.map(run)
      sqlite.exec('commit')
      return results
    } catch (error) {
      sqlite.exec('rollback')
      throw error
    }
  }
  const later = <T>(ms: number, action: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      setTimeout(() => {
        try {
          resolve(action())
        } catch (error) {
          reject(error as Error)
        }
      }, ms)
    })
  const lost = (): never => {
    throw new Error('D1_ERROR: the connection was lost')
  }

  async function send<T>(action: () => T): Promise<T> {
    const ms = random.between(1, 300)
    if (!isFaulty()) return await later(ms, action)
    switch (random.pick(['fine', 'fine', 'before', 'after', 'late', 'never', 'twice'] as const)) {
      case 'before':
        return await later(ms, lost)
      case 'after':
        await later(ms, action)
        return await later(random.between(0, 100), lost)
      case 'late':
        void later(random.between(1, LATEST_MS), action)
        return await later(ms, lost)
      case 'never':
        if (random.chance(0.5)) void later(random.between(1, LATEST_MS), action)
        return await new Promise(() => {})
      case 'twice':
        void later(random.between(ms, LATEST_MS), action)
        return await later(ms, action)
      default:
        return await later(ms, action)
    }
  }

  const statement = (sql: string, args: unknown[] = []): object => ({
    sql,
    args,
    bind: (...given: unknown[]) => statement(sql, given),
    run: () => send(() => run({ sql, args })),
    all: () => send(() => run({ sql, args })),
    first: (column?: string) =>
      send(() => {
        const [row] = run({ sql, args }).results
        return row === undefined ? null : column === undefined ? row : row[column]
      }),
  })
  const database = {
    prepare: (sql: string) => statement(sql),
    exec: (sql: string) => send(() => sqlite.exec(sql)),
    batch: (statements: Statement[]) => send(() => runAll(statements)),
  }
  const all = (sql: string): Record<string, unknown>[] =>
    sqlite
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }))

  return {
    database: database as unknown as D1Database,
    read: () => ({
      rows: all('select name, status, database from tenants'),
      orphans: all('select database from orphans order by database').map((row) => row['database']),
      audit: all('select * from audit') as unknown as { repeats: number }[],
    }),
    close: () => sqlite.close(),
  }
}
