/**
 * Where the streams of one object are kept: a record for each, and its stored SQL beside it. Synchronous, so that nothing
 * comes between what is read and what is written.
 */
import type { Lease } from './leases.ts'
import type { StoredSql } from './stored-sql.ts'
import type { EndedStream, StreamState } from './state.ts'

/** What a stream has been used for. */
export interface StreamUsage {
  requests: number
  /** Read and written, as the database counts them. */
  rows: number
  /** Sent and received: of requests and results, not of envelopes. */
  bytes: number
}

/** Whose stream it is. */
export interface Holder {
  tenantId: string
  kind: Lease['kind']
  /** Where the object was wished for. */
  hint: string | null
}

/** To be raised with every change to the shape of {@link StreamState}, or of the record. */
export const RECORD_VERSION = 2

export interface StreamRecord {
  version: typeof RECORD_VERSION
  /** Of a session over HTTP; a socket has it attached. */
  holder?: Holder | undefined
  state: StreamState
  usage: StreamUsage
}

export interface StreamStore {
  read: (id: string) => StreamRecord | undefined
  write: (id: string, record: StreamRecord) => void
  /** With its stored SQL. */
  remove: (id: string) => void
  readSql: (id: string) => StoredSql
  /** Of `null` nothing is kept. */
  writeSql: (id: string, sql: StoredSql | null) => void
  list: () => [id: string, record: StreamRecord][]
}

export const NO_USAGE: StreamUsage = { requests: 0, rows: 0, bytes: 0 }

export function createStreamStore(kv: DurableObjectStorage['kv']): StreamStore {
  const streamKey = (id: string): string => `stream/${id}`
  const sqlKey = (id: string): string => `sql/${id}`
  return {
    read: (id) => readable(kv.get<StreamRecord>(streamKey(id))),
    write: (id, record) => kv.put(streamKey(id), record),
    remove(id) {
      kv.delete(streamKey(id))
      kv.delete(sqlKey(id))
    },
    readSql: (id) => kv.get<StoredSql>(sqlKey(id)) ?? {},
    writeSql(id, sql) {
      if (sql === null || Object.keys(sql).length === 0) kv.delete(sqlKey(id))
      else kv.put(sqlKey(id), sql)
    },
    list: () =>
      Array.from(kv.list<StreamRecord>({ prefix: 'stream/' }), ([key, record]) => [
        key.slice('stream/'.length),
        readable(record)!,
      ]),
  }
}

/** What another version of the Worker has stored is a stream that nothing is known of: forgotten at the first look. */
function readable(record: StreamRecord | undefined): StreamRecord | undefined {
  if (record === undefined || record.version === RECORD_VERSION) return record
  return { version: RECORD_VERSION, state: OF_ANOTHER_VERSION, usage: NO_USAGE }
}

const OF_ANOTHER_VERSION: EndedStream = {
  kind: 'lost',
  fence: 0,
  turn: 0,
  isDoubtful: true,
  limit: null,
  at: 0,
}
