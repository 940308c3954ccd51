/** What is asked, and the data it is asked of. The same in every run, and in every runtime. */
import { toCell, type Cell } from './cells.ts'
import type { BenchClient, BenchStatement, InputValue, OpenClient } from './clients/contract.ts'

export interface Scenario {
  readonly name: ScenarioName
  readonly title: string
  /** Which body `JSON.parse` is given to compare with: where the answer says next to nothing, what was sent. */
  readonly parsed: 'answer' | 'request'
  /** Once: what is timed. */
  run(client: BenchClient): Promise<unknown>
  /** What `run` resolved with, in a form that is the same whoever it came from. */
  read(client: BenchClient, outcome: unknown): Cell[][]
  /** What `read` must give. */
  readonly expected: Cell[][]
  /** For what is written: how to see it in the database, and what must be seen. */
  readonly written?: { sql: string; expected: Cell[][] }
}

export const SCENARIO_NAMES = [
  'point',
  'rows1k',
  'rows1k-text',
  'rows10k',
  'rows10k-text',
  'batch100',
  'blob-read',
  'blob-write',
] as const
export type ScenarioName = (typeof SCENARIO_NAMES)[number]

export interface ScenarioSizes {
  thousand: number
  tenThousand: number
  inserts: number
  blobBytes: number
}

export const FULL_SIZES: ScenarioSizes = {
  thousand: 1_000,
  tenThousand: 10_000,
  inserts: 100,
  blobBytes: 2 ** 20,
}

/** What has to be in the database, and how it is brought back to that. */
export const SCHEMA = `
create table items (
  id integer primary key, owner integer, name text, body text, kind text, score real,
  flag integer, created integer, parent integer, hash blob, tag text
);
create table notes (id integer, title text, score real, owner integer, kind text);
create table files (id integer primary key, data blob);`
export const RESET = 'delete from notes; delete from files where id <> 1;'

/** The columns of `items` that are asked for: all types, one of them blobs. */
export const MIXED = ['id', 'owner', 'name', 'body', 'kind', 'score', 'flag', 'created', 'parent', 'hash']
/** The same without blobs. */
const TEXT = [...MIXED.slice(0, -1), 'tag']
const ITEM = [...MIXED, 'tag']

export const INSERT_ITEM = `insert into items (${ITEM.join(', ')}) values (${ITEM.map(() => '?').join(', ')})`
export const INSERT_FILE = 'insert into files (id, data) values (?, ?)'
const INSERT_NOTE = 'insert into notes (id, title, score, owner, kind) values (?, ?, ?, ?, ?)'

/** The values of a row of `items`: every column between the common and the awkward. */
export function itemOf(id: number): InputValue[] {
  const letters = (length: number, salt: number) =>
    Array.from({ length }, (_, index) => ALPHABET[(id * 31 + index * 7 + salt) % ALPHABET.length]).join('')
  const isEscaped = id % 8 === 0
  return [
    id,
    (id * 7_919) % 100_000,
    letters(20, 1),
    isEscaped ? `${letters(30, 2)} "said"\n\\${letters(41, 3)}` : letters(80, 2),
    ['draft', 'published', 'archived'][id % 3]!,
    id * 1.37 + 0.25,
    id % 2,
    1_700_000_000_000 + id * 1_000,
    id % 3 === 0 ? null : id >> 1,
    bytesOf(16, id),
    letters(16, 4),
  ]
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,'

/** Every byte occurs, in no order that would make it easy. */
export function bytesOf(length: number, salt: number): Uint8Array {
  let state = salt * 2_654_435_761 + 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 16
  })
}

export function createScenarios({ thousand, tenThousand, inserts, blobBytes }: ScenarioSizes): Scenario[] {
  const file = bytesOf(blobBytes, 1)
  const written = bytesOf(blobBytes, 2)
  const notes = Array.from({ length: inserts }, (_, id): InputValue[] => {
    const item = itemOf(id)
    return [id, item[2]!, item[5]!, item[1]!, item[4]!]
  })
  return [
    queryScenario('point', 'one row of 5 columns', ITEM.slice(0, 5), { where: 1 }),
    queryScenario('rows1k', `${thousand} rows × 10, one column of blobs`, MIXED, { limit: thousand }),
    queryScenario('rows1k-text', `${thousand} rows × 10, no blobs`, TEXT, { limit: thousand }),
    queryScenario('rows10k', `${tenThousand} rows × 10, one column of blobs`, MIXED, { limit: tenThousand }),
    queryScenario('rows10k-text', `${tenThousand} rows × 10, no blobs`, TEXT, { limit: tenThousand }),
    batchScenario(notes),
    {
      name: 'blob-read',
      title: `a blob of ${blobBytes} bytes, read`,
      parsed: 'answer',
      run: (client) => client.query({ sql: 'select data from files where id = ?', args: [1] }),
      read: (client, outcome) => client.rowsOf(outcome).map((row) => [toCell(row['data'])]),
      expected: [[toCell(file)]],
    },
    {
      name: 'blob-write',
      title: `a blob of ${blobBytes} bytes, bound`,
      parsed: 'request',
      run: (client) => client.write({ sql: INSERT_FILE, args: [2, written] }),
      read: (client, outcome) => [client.changesOf(outcome)],
      expected: [[1]],
      written: { sql: 'select data from files where id = 2', expected: [[toCell(written)]] },
    },
  ]
}

/** `JSON.parse` is not always given an answer, and in what was sent there is nothing to read. */
export function isReadable(scenario: Scenario, open: OpenClient | undefined): boolean {
  return open !== undefined || scenario.parsed === 'answer'
}

function queryScenario(
  name: ScenarioName,
  title: string,
  columns: string[],
  { where, limit }: { where?: number; limit?: number },
): Scenario {
  const which = where === undefined ? 'order by id limit ?' : 'where id = ?'
  const statement = { sql: `select ${columns.join(', ')} from items ${which}`, args: [where ?? limit!] }
  const ids = where === undefined ? Array.from({ length: limit! }, (_, id) => id) : [where]
  return {
    name,
    title,
    parsed: 'answer',
    run: (client) => client.query(statement),
    read: (client, outcome) =>
      client.rowsOf(outcome).map((row) => columns.map((column) => toCell(row[column]))),
    // Where only some scenarios run, the others' ten thousand rows are never made.
    get expected() {
      return ids.map((id) => {
        const item = itemOf(id)
        return columns.map((column) => toCell(item[ITEM.indexOf(column)]))
      })
    },
  }
}

function batchScenario(notes: InputValue[][]): Scenario {
  const statements = notes.map((args): BenchStatement => ({ sql: INSERT_NOTE, args }))
  return {
    name: 'batch100',
    title: `a batch of ${notes.length} inserts × 5 arguments`,
    parsed: 'answer',
    run: (client) => client.batch(statements),
    read: (client, outcome) => [client.changesOf(outcome)],
    expected: [notes.map(() => 1)],
    written: {
      sql: 'select id, title, score, owner, kind from notes order by id',
      expected: notes.map((note) => note.map(toCell)),
    },
  }
}
