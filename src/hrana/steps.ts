/** What became of the steps of a batch. */
import { hasEntries } from './batch.ts'
import { readResult } from './pipeline.ts'
import type { WireError, WireStatementResult, WireStreamResult } from './wire.ts'

export interface Steps {
  results: WireStatementResult[]
  /** Whether every step has run without an error. */
  isComplete: boolean
  /** Whether there is not an entry for each step. */
  isMalformed: boolean
  failed: { step: number; error: WireError } | undefined
}

export function readSteps(result: WireStreamResult | undefined, count: number): Steps {
  const steps: unknown = readResult(result, 'batch').result
  if (!hasEntries(steps, count))
    return { results: [], isComplete: false, isMalformed: true, failed: undefined }
  const { step_results: results, step_errors: errors } = steps
  const step = errors.findIndex((error) => error != null)
  return {
    results: results as WireStatementResult[],
    isComplete: step === -1 && !results.includes(null),
    isMalformed: false,
    failed: step === -1 ? undefined : { step, error: errors[step]! },
  }
}

/** The lock was taken from it (sqld, after 5 s): every step of the program failed so, and none ran. */
export const isTimeout = ({ error }: NonNullable<Steps['failed']>): boolean =>
  error.code === 'TRANSACTION_TIMEOUT'
