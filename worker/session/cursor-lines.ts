/**
 * The lines of a cursor while they pass: counted, and without those of the gateway's own question. No row is read, and
 * nothing is kept but a line whose beginning does not yet tell whose it is.
 */
import { bytesOf, textOf } from '../memory/bytes.ts'
import { NO_HISTORY, toldBy, type HistoryKind } from './history.ts'

export interface CursorCount {
  /** Those that were sent and those that were changed; what the database says that it has read and written, if it does. */
  rows: number
  /** Of the entries, without the cursor's own first line. */
  bytes: number
  /** What the statements have decided for certain, as in `tells` of an answer. */
  tells: readonly HistoryKind[]
}

export interface Sifted {
  /** For the client, in order. */
  passed: Uint8Array[]
  /** The end of the piece, to be the beginning of the next: fewer bytes than {@link LINE_HEAD_BYTES}. */
  rest: Uint8Array
}

export interface CursorLines {
  /** The next piece of the body, behind the first line. */
  take: (piece: Uint8Array) => Sifted
  /** What there is to pass on when nothing comes behind the rest of the last piece. */
  end: (rest: Uint8Array) => Uint8Array[]
  /** So far. */
  count: () => CursorCount
  /** The answer to the gateway's question, `null` when there is none. */
  isAutocommit: () => boolean | null
}

const NEWLINE = 10
/** Of a line as much as tells what it is; all of what ends a step, which has no text in it. */
export const LINE_HEAD_BYTES = 256
/** Where what is quoted begins in `{"type":"…`, as all servers write it. */
const TYPE_AT = 9
const ROW = bytesOf('row"')

/** @param firstOwn the number of the step that asks; `null` when nothing is asked */
export function createCursorLines(firstOwn: number | null): CursorLines {
  let line: 'begins' | 'passes' | 'is ours' = 'begins'
  /** The client's own steps are over. */
  let isOwn = false
  /** Which steps of the question have run. */
  const ran = new Set<number>()
  let rows = 0
  let rowsOfStep = 0
  let bytes = 0
  let tells = NO_HISTORY

  /** @returns whose it is, by as much of it as there is */
  function look(piece: Uint8Array): 'passes' | 'is ours' {
    if (ROW.every((byte, index) => piece[TYPE_AT + index] === byte)) {
      if (!isOwn) rowsOfStep += 1
      return isOwn ? 'is ours' : 'passes'
    }
    const head = textOf(piece.subarray(0, LINE_HEAD_BYTES))
    const type = /"type"\s*:\s*"(\w{1,40})"/.exec(head)?.[1]
    if (type === 'step_begin' || type === 'step_error') beginStep(numberOf(head, 'step'), type)
    else if (type === 'step_end' && !isOwn) endStep(head)
    return isOwn && (type?.startsWith('step_') === true || type === 'row') ? 'is ours' : 'passes'
  }

  function beginStep(step: number | null, type: string): void {
    if (firstOwn === null || step === null || step < firstOwn) return
    isOwn = true
    if (type === 'step_begin') ran.add(step - firstOwn)
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

  return {
    take(piece) {
      const passed: Uint8Array[] = []
      let from = 0
      let at = 0
      const pass = (): void => {
        if (at > from) passed.push(piece.subarray(from, at))
        bytes += at - from
      }
      while (at < piece.length) {
        const newline = piece.indexOf(NEWLINE, at)
        const end = newline === -1 ? piece.length : newline + 1
        if (line === 'begins') {
          if (newline === -1 && end - at < LINE_HEAD_BYTES) break
          line = look(piece.subarray(at, newline === -1 ? end : newline))
        }
        if (line === 'is ours') {
          pass()
          from = end
        }
        at = end
        if (newline !== -1) line = 'begins'
      }
      pass()
      return { passed, rest: piece.subarray(at) }
    },
    end(rest) {
      if (rest.length === 0 || look(rest) === 'is ours') return []
      bytes += rest.length
      return [rest]
    },
    count: () => ({ rows: rows + rowsOfStep, bytes, tells }),
    isAutocommit: () => (ran.size === 1 ? ran.has(0) : null),
  }
}

function numberOf(entry: string, name: string): number | null {
  const digits = new RegExp(`"${name}"\\s*:\\s*(\\d{1,15})\\b`).exec(entry)?.[1]
  return digits === undefined ? null : Number(digits)
}
