/** What a run has measured. A part that was not asked for is not there. */
import type { CursorResult } from './cursor.ts'
import type { Times } from './harness.ts'
import type { EvaluationTime } from './module-evaluation.ts'
import type { FlowOutcome } from './requests.ts'
import type { Scenario } from './scenarios.ts'
import type { Size } from './sizes.ts'

export type Runtime = 'node' | 'workerd'

export interface RaceResult {
  scenario: Scenario
  runtime: Runtime
  times: Times
  /** Bytes of the heap by client, of one time. In Node only. */
  allocated?: ReadonlyMap<string, number>
}

export interface Results {
  races: RaceResult[]
  sizes?: Size[]
  /** Gzipped, in bytes. */
  workerSize?: number
  evaluation?: EvaluationTime[]
  requests?: Map<string, FlowOutcome[]>
  cursor?: CursorResult[]
}
