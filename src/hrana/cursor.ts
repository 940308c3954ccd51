/** `POST /v3/cursor`: the rows of a statement while they arrive. */
import { HttpError, ProtocolError } from '../errors.ts'
import { parseBody } from '../http/json.ts'
import { open, type TextBody } from '../http/send.ts'
import { toSqlError } from './batch.ts'
import { createRowDecoder, decodeRow, type DecodeOptions } from './result.ts'
import { giveBack } from './stream.ts'
import { observe, requestTo, tell, type Target, type TargetCall } from './target.ts'
import type { WireColumn, WireCursorEntry, WireCursorResponse, WireStatement } from './wire.ts'

/**
 * Yields the rows of one statement, as many at a time as came in one piece. Ended early or not, it gives the server's
 * stream back, which otherwise stays open until its idle limit.
 *
 * @param columns is filled with the column names before the first rows
 * @throws {SqlError} when the statement fails, perhaps after some rows
 * @throws {ProtocolError} when the answer ends before the statement does
 */
export async function* readCursor<Row>(
  target: Target,
  stmt: WireStatement,
  call: TargetCall & DecodeOptions,
  columns: string[],
): AsyncGenerator<Row[], void, undefined> {
  const body = await openCursor(target, stmt, call)
  let head: WireCursorResponse | undefined
  let decode: ((line: string) => Row | undefined) | undefined
  let isComplete = false

  /** The row in a line, if it is one. */
  function readLine(line: string): Row | undefined {
    if (line.trim() === '') return undefined
    const row = decode?.(line)
    if (row !== undefined) return row
    const entry = parseBody(line, 'a cursor') as (WireCursorEntry & WireCursorResponse) | null
    if (!head) {
      head = entry ?? {}
      return undefined
    }
    switch (entry?.type) {
      case 'step_begin':
        columns.push(...readColumns(entry.cols))
        decode = createRowDecoder<Row>(columns, call)
        return undefined
      case 'row':
        if (decode) return decodeRow<Row>(entry.row, columns, call)
        break
      case 'step_end':
        isComplete = true
        return undefined
      case 'step_error':
      case 'error':
        throw toSqlError(entry.error)
    }
    if (isComplete || entry?.type) return undefined
    throw new ProtocolError("A cursor with an entry that is none of the protocol's")
  }

  try {
    // A line is put together once, however many pieces it comes in.
    let waiting: string[] = []
    for (let piece = await body.read(); piece !== undefined; piece = await body.read()) {
      waiting.push(piece)
      if (!piece.includes('\n')) continue
      const text = waiting.join('')
      const rows: Row[] = []
      let failure: { error: unknown } | undefined
      let start = 0
      for (let end = text.indexOf('\n'); end !== -1 && !failure; end = text.indexOf('\n', start)) {
        try {
          const row = readLine(text.slice(start, end))
          if (row !== undefined) rows.push(row)
        } catch (error) {
          failure = { error }
        }
        start = end + 1
      }
      waiting = [text.slice(start)]
      if (rows.length > 0) yield rows
      if (failure) throw failure.error
    }
    const row = readLine(waiting.join(''))
    if (row !== undefined) yield [row]
    if (!isComplete)
      throw new ProtocolError('The rows were cut off: the answer ended before the statement did')
  } finally {
    body.cancel()
    const isGivenBack = giveBack(target, head?.baton, head?.base_url, call.timeoutMs)
    // Who has aborted does not wait.
    if (call.signal?.aborted) tell(target.waitUntil, isGivenBack)
    else await isGivenBack
  }
}

function readColumns(cols: readonly WireColumn[] | undefined): string[] {
  if (!Array.isArray(cols)) throw new ProtocolError('A cursor without columns')
  return cols.map((column) => column?.name ?? '')
}

const NOT_ONE_STATEMENT = [
  ['could not be parsed', 'SQL_PARSE_ERROR'],
  ['does not contain any', 'SQL_NO_STATEMENT'],
  ['contains more than one', 'SQL_MANY_STATEMENTS'],
] as const

async function openCursor(target: Target, stmt: WireStatement, call: TargetCall): Promise<TextBody> {
  const request = {
    ...requestTo(target, 'POST', 'v3/cursor', call),
    body: { baton: null, batch: { steps: [{ stmt }] } },
  }
  try {
    return await observe(
      target.hooks,
      request,
      () => [stmt.sql ?? ''],
      open,
      () => [0, 0],
    )
  } catch (error) {
    // Of a text that is not one statement sqld says so with the status of a failure of its own.
    const words = error instanceof HttpError && error.status === 500 ? error.serverMessage : ''
    for (const [reason, code] of NOT_ONE_STATEMENT)
      if (words.includes(`SQL string ${reason}`)) throw toSqlError({ message: words, code })
    throw error
  }
}
