/** The operations over HTTP, written down as JSON by hand. */
import type { Operation, Sql, Step, Value } from './operations.ts'
import { show, type Outcome } from './outcomes.ts'

/** A connection to one database of a local Turso, which opens a stream whenever it has none. */
export interface Remote {
  /** Sends operations in one request: one cursor, or a pipeline in which only the last one may be `close`. */
  run(operations: Operation[]): Promise<Outcome[]>
  /** Whether the server still holds its stream. */
  hasStream(): boolean
  close(): Promise<void>
}

/** The operations of one request each. */
export function splitIntoRequests(operations: Operation[]): Operation[][] {
  const requests: Operation[][] = []
  let previous: Operation | undefined
  for (const operation of operations) {
    const isAlone = [previous, operation].some((one) => one?.type === 'cursor') || previous?.type === 'close'
    if (previous === undefined || isAlone) requests.push([operation])
    else requests.at(-1)!.push(operation)
    previous = operation
  }
  return requests
}

type Json = any // oxlint-disable-line typescript/no-explicit-any -- what a server sends

export function createRemote(
  fetch: (request: Request) => Promise<Response>,
  url: string,
  jwt: string,
): Remote {
  let baton: string | null = null

  const post = async (path: string, body: object): Promise<string> => {
    const response = await fetch(
      new Request(`${url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${jwt}` },
        body: JSON.stringify({ baton, ...body }),
      }),
    )
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
    return text
  }

  const pipeline = async (operations: Operation[]): Promise<Outcome[]> => {
    if (operations.length === 0) return []
    const answer = JSON.parse(await post('/v3/pipeline', { requests: operations.map(toRequest) })) as Json
    baton = answer.baton
    return answer.results.map((result: Json) => fromResult(result))
  }

  const cursor = async (steps: Step[]): Promise<Outcome> => {
    const text = await post('/v3/cursor', { batch: toBatch(steps) })
    // The last rowid is a number of up to 64 bits.
    const [head, ...entries] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line, exactIntegers) as Json)
    baton = head.baton
    return { batch: fromEntries(entries, steps.length) }
  }

  return {
    async run(operations) {
      const [first] = operations
      return first?.type === 'cursor' ? [await cursor(first.steps)] : pipeline(operations)
    },
    hasStream: () => baton !== null,
    async close() {
      if (baton !== null) await pipeline([{ type: 'close' }])
    },
  }
}

export function toRequest(operation: Operation): object {
  switch (operation.type) {
    case 'execute':
      return { type: 'execute', stmt: toStatement(operation.statement) }
    case 'batch':
    case 'cursor':
      return { type: 'batch', batch: toBatch(operation.steps) }
    case 'sequence':
      return { type: 'sequence', sql: operation.statements.map(({ sql }) => sql).join(';\n') }
    case 'describe':
      return { type: 'describe', sql: operation.statement.sql }
    default:
      return operation
  }
}

export function toBatch(steps: Step[]): object {
  return { steps: steps.map(({ statement, condition }) => ({ stmt: toStatement(statement), condition })) }
}

function toStatement({ sql, args }: Sql): object {
  return { sql, args: args.map(toValue) }
}

function toValue(value: Value): object {
  if (value === null) return { type: 'null' }
  if (typeof value === 'bigint') return { type: 'integer', value: String(value) }
  if (typeof value === 'number') {
    // JSON.stringify drops the sign of zero.
    const exact = Object.is(value, -0) ? (JSON as Json).rawJSON('-0.0') : value
    return { type: 'float', value: exact }
  }
  if (typeof value === 'string') return { type: 'text', value }
  return { type: 'blob', base64: Buffer.from(value).toString('base64') }
}

function fromValue(wire: Json): string {
  switch (wire.type) {
    case 'null':
      return show(null)
    case 'integer':
      return show(BigInt(wire.value))
    case 'float':
      return show(wire.value ?? Infinity)
    case 'text':
      return show(wire.value)
    case 'blob':
      return show(Buffer.from(wire.base64, 'base64'))
    default:
      throw new Error(`unknown value ${JSON.stringify(wire)}`)
  }
}

export function fromResult({ type, response, error }: Json): Outcome {
  if (type === 'error') return fromError(error)
  switch (response.type) {
    case 'execute':
      return fromStatement(response.result)
    case 'batch': {
      const { step_results: results, step_errors: errors } = response.result
      return {
        batch: results.map((result: Json, index: number) =>
          result ? fromStatement(result) : errors[index] ? fromError(errors[index]) : 'skipped',
        ),
      }
    }
    case 'describe':
      return fromStatement({ ...response.result, rows: [], affected_row_count: 0, last_insert_rowid: null })
    case 'get_autocommit':
      return { autocommit: response.is_autocommit }
    default:
      return 'done'
  }
}

function fromStatement({ cols, rows, affected_row_count, last_insert_rowid }: Json): Outcome {
  return {
    columns: cols.map(({ name, decltype }: Json) => ({ name, decltype: decltype ?? null })),
    rows: rows.map((row: Json[]) => row.map(fromValue)),
    affected: Number(affected_row_count),
    rowid: last_insert_rowid === null ? null : String(last_insert_rowid),
  }
}

/** The codes that SQLite does not know are those of its one general code. */
function fromError({ message, code }: Json): Outcome {
  const general = ['SQL_INPUT_ERROR', 'SQLITE_UNKNOWN', 'SQLITE_ERROR']
  return {
    error: message,
    code: code === 'SQL_PARSE_ERROR' ? 'parse' : general.includes(code) ? 'error' : code,
  }
}

export function fromEntries(entries: Json[], steps: number): Outcome[] {
  const outcomes: Outcome[] = Array.from({ length: steps }, () => 'skipped' as const)
  let open: { step: number; cols: Json[]; rows: Json[][] } | undefined
  for (const entry of entries) {
    switch (entry.type) {
      case 'step_begin':
        open = { step: Number(entry.step), cols: entry.cols, rows: [] }
        break
      case 'row':
        open!.rows.push(entry.row)
        break
      case 'step_end':
        outcomes[open!.step] = fromStatement({ ...open, ...entry })
        break
      case 'step_error':
        outcomes[Number(entry.step)] = fromError(entry.error)
        break
      case 'error':
        throw new Error(JSON.stringify(entry))
    }
  }
  return outcomes
}

/** Integers keep their digits, as text. */
function exactIntegers(this: unknown, key: string, value: unknown, context?: { source?: string }): unknown {
  return key === 'last_insert_rowid' && typeof value === 'number' ? context?.source : value
}
