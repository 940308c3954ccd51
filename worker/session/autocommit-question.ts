/**
 * Asks at the end of a cursor's batch whether a transaction is open: the only place where that costs no second request, and
 * where Turso Cloud does not close the stream for it. Pure.
 */
import { elementsOf, findMembers } from '../hrana/envelope.ts'
import { bytesOf, joinBytes, textOf } from '../memory/bytes.ts'

export interface AskingBatch {
  batch: Uint8Array<ArrayBuffer>
  /** The number of the first step that is not the client's. */
  firstOwn: number
}

/** The words of Turso's own driver, which asks in the same way. */
const step = (condition: string): string =>
  `{"condition":${condition},"stmt":{"sql":"SELECT 1","want_rows":false}}`
const IS_AUTOCOMMIT = '{"type":"is_autocommit"}'
/** Either of them runs, so that no silence is taken for an answer. */
const QUESTION = `${step(IS_AUTOCOMMIT)},${step(`{"type":"not","cond":${IS_AUTOCOMMIT}}`)}`

/** @returns `null` for what is no batch, as the database will say */
export function askAutocommit(bytes: Uint8Array): AskingBatch | null {
  try {
    const batch = textOf(bytes)
    const steps = findMembers(batch, ['steps']).get('steps')
    if (steps === undefined) return null
    let count = 0
    for (const _ of elementsOf(batch.slice(steps.start, steps.end))) count += 1
    // Measured from the end, behind which hardly anything is: the batch may be large.
    const close = bytes.length - bytesOf(batch.slice(steps.end - 1)).length
    const asked = count === 0 ? QUESTION : `,${QUESTION}`
    return {
      batch: joinBytes([bytes.subarray(0, close), asked, bytes.subarray(close)]),
      firstOwn: count,
    }
  } catch {
    return null
  }
}
