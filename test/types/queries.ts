/** The types of rows, arguments and transactions, as users meet them. Compiled and never run. */
import {
  connect,
  sql,
  type Args,
  type Database,
  type ObjectRow,
  type Result,
  type RowStream,
  type SqlFragment,
  type SqlInput,
  type SqlValue,
  type StandardSchema,
  type Statement,
  type StatementObject,
  type Stream,
  type StreamPosition,
  type Transaction,
} from 'turso-edge'
import { typeOf } from './type-of.ts'

interface Note {
  id: number
  title: string
}

const db: Database = connect({ url: 'libsql://example.turso.io', authToken: 'token' })

export async function rowsAreWhatTheCallerSays(): Promise<void> {
  typeOf(await db.execute('select 1')).is<Result<ObjectRow>>()
  typeOf((await db.execute('select 1 as one')).rows).is<Record<string, SqlValue>[]>()
  typeOf(await db.execute<Note>('select id, title from notes')).is<Result<Note>>()
  typeOf((await db.execute<Note>('select * from notes where id = ?', [1])).rows).is<Note[]>()
  typeOf(await db.execute<Note>({ sql: 'select 1' }, { timeoutMs: 1_000 })).is<Result<Note>>()
  typeOf(await db.execute<Note>(sql`select * from notes where id = ${1}`)).is<Result<Note>>()
  typeOf(await db.batch(['select 1', sql`select 2`])).is<Result<ObjectRow>[]>()
  typeOf(await db.batch(['select 1'], 'read')).is<Result<ObjectRow>[]>()
  typeOf(await db.batch<Note>(['select 1'], 'read')).is<Result<Note>[]>()
  typeOf(await db.batch<Note>(['select 1'], { mode: 'deferred' })).is<Result<Note>[]>()
}

export async function arrayRowsAreArraysOfValues(): Promise<void> {
  typeOf(await db.execute('select 1', undefined, { rowMode: 'array' })).is<Result<SqlValue[]>>()
  typeOf(await db.execute('select ?', [1], { rowMode: 'array', intMode: 'bigint' })).is<Result<SqlValue[]>>()
  typeOf(await db.execute({ sql: 'select 1' }, { rowMode: 'array' })).is<Result<SqlValue[]>>()
  typeOf(await db.execute(sql`select 1`, { rowMode: 'array' })).is<Result<SqlValue[]>>()
  typeOf(await db.batch(['select 1'], { rowMode: 'array' })).is<Result<SqlValue[]>[]>()
  typeOf(await db.batch(['select 1'], { rowMode: 'array', mode: 'read' })).is<Result<SqlValue[]>[]>()
  // @ts-expect-error -- an array is no Note
  await db.execute<Note>('select 1', [], { rowMode: 'array' })
  // @ts-expect-error -- nor is one in a batch
  await db.batch<Note>(['select 1'], { rowMode: 'array' })
}

export async function aSchemaSaysWhatRowsAre(schema: StandardSchema<Note>): Promise<void> {
  typeOf(await db.execute('select 1', [], { schema })).is<Result<Note>>()
  typeOf(await db.execute(sql`select 1`, { schema, timeoutMs: 1_000 })).is<Result<Note>>()
  typeOf(await db.batch(['select 1'], { schema, mode: 'read' })).is<Result<Note>[]>()
  // What a schema makes of a row counts, not how the row came.
  typeOf(await db.execute('select 1', [], { schema, rowMode: 'array' })).is<Result<Note>>()
  for await (const row of db.stream('select 1', [], { schema })) typeOf(row).is<Note>()
  // @ts-expect-error -- a function is no schema
  await db.execute('select 1', [], { schema: (row: unknown) => row })
}

export async function rowsOfAStreamAreOfTheSameTypes(): Promise<void> {
  typeOf(db.stream('select 1')).is<RowStream<ObjectRow>>()
  typeOf(db.stream<Note>(sql`select 1`)).is<RowStream<Note>>()
  typeOf(db.stream('select 1', [], { rowMode: 'array' })).is<RowStream<SqlValue[]>>()
  for await (const row of db.stream<Note>('select * from notes')) typeOf(row).is<Note>()
}

export async function aStreamByHandHasItsPosition(): Promise<void> {
  await using stream = db.openStream()
  typeOf(stream).is<Stream>()
  typeOf(await stream.execute<Note>('select 1')).is<Result<Note>>()
  const position: StreamPosition = stream
  typeOf(db.resume(position)).is<Stream>()
}

export async function aResultSaysWhatIsKnownOfIt(): Promise<void> {
  const result = await db.execute('insert into notes (title) values (?)', ['a'])
  typeOf(result.columns).is<string[]>()
  typeOf(result.columnTypes).is<(string | null)[]>()
  typeOf(result.rowsAffected).is<number>()
  typeOf(result.lastInsertRowid).is<bigint | null>()
}

export async function argumentsAreValuesThatSqlHas(): Promise<void> {
  const positional: Args = [null, 'text', 1, 1n, true, new Date(0), new ArrayBuffer(1), new Uint8Array(1)]
  const named: Args = { id: 1, title: 'a', at: new Date(0), body: new DataView(new ArrayBuffer(1)) }
  const readonlyOnes = ['a', 1] as const
  await db.execute('select ?', positional)
  await db.execute('select :id', named)
  await db.execute('select ?, ?', readonlyOnes)
  await db.execute('select 1', undefined)

  // @ts-expect-error -- undefined is not NULL: that is said by null
  await db.execute('select ?', [undefined])
  // @ts-expect-error -- nor is it by name
  await db.execute('select :id', { id: undefined })
  // @ts-expect-error -- a function is no value
  await db.execute('select ?', [() => 1])
  // @ts-expect-error -- an object has no SQL counterpart: JSON.stringify it first
  await db.execute('select ?', [{ a: 1 }])
  // @ts-expect-error -- nor has an array
  await db.execute('select ?', [[1]])
  // @ts-expect-error -- nor has a symbol
  await db.execute('select ?', [Symbol('a')])
  // @ts-expect-error -- arguments are a list or an object
  await db.execute('select ?', 1)
  // @ts-expect-error -- and not a Map
  await db.execute('select :id', new Map([['id', 1]]))
  // @ts-expect-error -- in a batch as well
  await db.batch([{ sql: 'select ?', args: [undefined] }])
  // @ts-expect-error -- and in the tag
  void sql`select ${undefined}`
  // @ts-expect-error -- where an object is no value either
  void sql`select ${{ a: 1 }}`
}

export function aFragmentIsAStatement(): void {
  const fragment = sql`select ${1}`
  typeOf(fragment).is<SqlFragment>()
  typeOf(fragment.args).is<readonly SqlInput[]>()
  typeOf(sql.join([1, sql`x`])).is<SqlFragment>()
  typeOf(sql.identifier('a', 'b')).is<SqlFragment>()
  typeOf(sql.raw('a')).is<SqlFragment>()
  const statements: readonly Statement[] = [fragment, 'select 1', { sql: 'select 1', args: undefined }]
  const object: StatementObject = fragment
  void [statements, object]
}

export async function aTransactionReturnsWhatItsFunctionReturns(): Promise<void> {
  typeOf(await db.transaction(async () => 1)).is<number>()
  typeOf(await db.transaction(async () => {})).is<void>()
  typeOf(
    await db.transaction(
      async (tx) => {
        typeOf(tx).is<Transaction>()
        typeOf(await tx.execute<Note>('select 1')).is<Result<Note>>()
        typeOf(await tx.execute('select 1', [], { rowMode: 'array' })).is<Result<SqlValue[]>>()
        return (await tx.execute<Note>('select 1')).rows[0]
      },
      { mode: 'read', timeoutMs: 1_000 },
    ),
  ).is<Note | undefined>()
  typeOf(await db.transaction((tx) => tx.transaction(async (inner) => inner.isOpen))).is<boolean>()
  // @ts-expect-error -- a transaction cannot end before its statements have been awaited
  await db.transaction(() => 1)
  // @ts-expect-error -- there is no such mode
  await db.transaction(async () => 1, { mode: 'nope' })
}

export async function aTransactionByHandEndsByItself(): Promise<void> {
  await using tx = await db.transaction({ mode: 'write' })
  typeOf(tx).is<Transaction>()
  typeOf(tx.isOpen).is<boolean>()
  typeOf(await tx.commit()).is<void>()
  typeOf(await tx.rollback({ timeoutMs: 1_000 })).is<void>()
}
