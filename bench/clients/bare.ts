/** The floors: no client at all. */
import type {
  WirePipelineResponse,
  WireStatement,
  WireStatementResult,
  WireValue,
} from '../../src/hrana/wire.ts'
import type { BenchClient, BenchStatement, InputValue, NamedRow, OpenClient } from './contract.ts'

/** `fetch` and `response.json()`: the rows stay as they are on the wire. */
export const openBareFetch: OpenClient = ({ url, authToken, fetch }): BenchClient => {
  const send = async (request: object): Promise<unknown> => {
    const response = await fetch(`${url}/v3/pipeline`, {
      method: 'POST',
      headers: { authorization: `Bearer ${authToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ requests: [request, { type: 'close' }] }),
    })
    return await response.json()
  }
  const execute = (statement: BenchStatement): Promise<unknown> =>
    send({ type: 'execute', stmt: encodeStatement(statement) })
  return {
    query: execute,
    write: execute,
    batch: (statements) =>
      send({
        type: 'batch',
        batch: {
          steps: [{ sql: 'begin immediate' }, ...statements.map(encodeStatement), { sql: 'commit' }].map(
            (stmt, index) => ({ stmt, ...(index > 0 && { condition: { type: 'ok', step: index - 1 } }) }),
          ),
        },
      }),
    ...wireReaders,
  }
}

/** `JSON.parse` of a body that is in memory already, whatever is asked. */
export function createJsonParse(body: string): BenchClient {
  const parse = (): Promise<unknown> => Promise.resolve(JSON.parse(body))
  return { query: parse, write: parse, batch: parse, ...wireReaders }
}

const wireReaders: Pick<BenchClient, 'rowsOf' | 'changesOf'> = {
  rowsOf(outcome) {
    const [result] = resultsOf(outcome)
    if (!result) return []
    return result.rows.map((row): NamedRow =>
      Object.fromEntries(row.map((value, index) => [result.cols[index]?.name ?? '', decodeValue(value)])),
    )
  },
  changesOf(outcome) {
    const changes = resultsOf(outcome).map((result) => result.affected_row_count)
    // Without `begin` and `commit`.
    return changes.length > 2 ? changes.slice(1, -1) : changes
  },
}

function resultsOf(outcome: unknown): WireStatementResult[] {
  const result = (outcome as WirePipelineResponse).results[0]
  if (result?.type !== 'ok') throw new Error(JSON.stringify(result))
  if (result.response.type === 'execute') return [result.response.result]
  if (result.response.type !== 'batch') throw new Error(`an answer to ${result.response.type}`)
  return result.response.result.step_results.map((step, index) => {
    if (!step) throw new Error(`step ${index} has no result`)
    return step
  })
}

function encodeStatement({ sql, args }: BenchStatement): WireStatement {
  return { sql, args: args.map(encodeValue) }
}

function encodeValue(value: InputValue): WireValue {
  if (value === null) return { type: 'null' }
  if (typeof value === 'string') return { type: 'text', value }
  if (typeof value === 'object') return { type: 'blob', base64: encodeBase64(value) }
  return Number.isInteger(value) ? { type: 'integer', value: String(value) } : { type: 'float', value }
}

function decodeValue(value: WireValue): unknown {
  if (value.type === 'null') return null
  if (value.type === 'integer') return Number(value.value)
  if (value.type !== 'blob') return value.value
  return Uint8Array.from(atob(value.base64), (character) => character.charCodeAt(0))
}

/** The quickest that the runtime has. */
function encodeBase64(bytes: Uint8Array): string {
  const { toBase64 } = bytes as { toBase64?: () => string }
  if (toBase64) return toBase64.call(bytes)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
