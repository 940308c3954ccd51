/** What the entries of a cursor come to, counted while they pass: no row is read, and nothing is kept but the head of a line. */
import { NO_HISTORY, toldBy, type HistoryKind } from './history.ts'

export interface CursorCount {
  /** Those that were sent and those that were changed; what the database says that it has read and written, if it does. */
  rows: number
  /** Of the entries, without the cursor's own first line. */
  bytes: number
  /** What the statements have decided for certain, as in `tells` of an answer. */
  tells: readonly HistoryKind[]
}

export interface CursorCounter {
  /** The next bytes of the body, behind the first line. */
  add: (piece: Uint8Array) => void
  /** So far. */
  count: () => CursorCount
}

const NEWLINE = 10
/** Of a line as much as tells what it is; all of what ends a step, which has no text in it. */
const HEAD_BYTES = 256
/** Where what is quoted begins in `{"type":"…`. */
const TYPE_AT = 9
const ROW = new TextEncoder().encode('row"')
const STEP_END = new TextEncoder().encode('step_end"')

export function createCursorCounter(): CursorCounter {
  /** The beginning of a line whose end has not come. */
  const head = new Uint8Array(HEAD_BYTES)
  let headLength = 0
  const decoder = new TextDecoder()
  let rows = 0
  let rowsOfStep = 0
  let bytes = 0
  let tells = NO_HISTORY

  function take(line: Uint8Array): void {
    if (isOfType(line, ROW)) rowsOfStep += 1
    else if (isOfType(line, STEP_END)) endStep(decoder.decode(line.subarray(0, HEAD_BYTES)))
  }

  function endStep(entry: string): void {
    const read = numberOf(entry, 'rows_read')
    const written = numberOf(entry, 'rows_written')
    const isTold = read !== null || written !== null
    rows += isTold ? (read ?? 0) + (written ?? 0) : rowsOfStep + (numberOf(entry, 'affected_row_count') ?? 0)
    rowsOfStep = 0
    const told = toldBy(entry)
    if (told.length > 0) tells = [...new Set([...tells, ...told])]
  }

  function keep(piece: Uint8Array): void {
    const kept = piece.subarray(0, HEAD_BYTES - headLength)
    head.set(kept, headLength)
    headLength += kept.length
  }

  return {
    add(piece) {
      bytes += piece.length
      let at = 0
      for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, at)) {
        if (headLength === 0) take(piece.subarray(at, end))
        else {
          keep(piece.subarray(at, end))
          take(head.subarray(0, headLength))
          headLength = 0
        }
        at = end + 1
      }
      keep(piece.subarray(at))
    },
    count: () => ({ rows: rows + rowsOfStep, bytes, tells }),
  }
}

function isOfType(line: Uint8Array, type: Uint8Array): boolean {
  return type.every((byte, index) => line[TYPE_AT + index] === byte)
}

function numberOf(entry: string, name: string): number | null {
  const digits = new RegExp(`"${name}":(\\d{1,15})\\b`).exec(entry)?.[1]
  return digits === undefined ? null : Number(digits)
}
