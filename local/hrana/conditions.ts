/** Batch conditions. */
import type { WireCondition } from '../../src/hrana/wire.ts'
import type { Behaviour } from '../behaviour.ts'
import { ProtocolFailure } from '../errors.ts'

/** What became of a step. */
export type StepOutcome = 'ok' | 'error' | 'skipped'

/** Evaluates a condition against the steps before it. */
export function isFulfilled(
  condition: WireCondition,
  outcomes: readonly StepOutcome[],
  isAutocommit: () => boolean,
  behaviour: Pick<Behaviour, 'errorHoldsForSkippedStep'>,
): boolean {
  const evaluate = (nested: WireCondition) => isFulfilled(nested, outcomes, isAutocommit, behaviour)
  switch (condition.type) {
    case 'ok':
      return outcomes[condition.step] === 'ok'
    case 'error':
      return behaviour.errorHoldsForSkippedStep
        ? outcomes[condition.step] !== 'ok'
        : outcomes[condition.step] === 'error'
    case 'not':
      return !evaluate(condition.cond)
    case 'and':
      return condition.conds.every(evaluate)
    case 'or':
      return condition.conds.some(evaluate)
    case 'is_autocommit':
      return isAutocommit()
  }
}

/**
 * Throws `ProtocolFailure` when the condition of a step refers to that step or to a later one, or uses what its version
 * of the protocol does not have.
 */
export function checkCondition(condition: WireCondition, step: number, version: 2 | 3): void {
  switch (condition.type) {
    case 'ok':
    case 'error':
      if (condition.step >= step) throw new ProtocolFailure('Invalid reference to step in a batch condition')
      return
    case 'not':
      return checkCondition(condition.cond, step, version)
    case 'and':
    case 'or':
      for (const nested of condition.conds) checkCondition(nested, step, version)
      return
    case 'is_autocommit':
      if (version < 3) throw notSupported('BatchCond of type `is_autocommit`')
  }
}

/** The refusal of something that came with version 3. */
export function notSupported(what: string): ProtocolFailure {
  return new ProtocolFailure(`${what} is only supported in protocol version hrana3 and higher`)
}
