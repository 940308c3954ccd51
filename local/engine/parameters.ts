/** Binds the arguments of a request to the parameters of a statement, by sqld's rules (libsql-server/src/query.rs). */
import { SqlFailure } from '../errors.ts'
import type { EngineValue } from './values.ts'
import type { Statement } from './statement.ts'

/** The arguments of one statement, decoded. */
export interface Arguments {
  readonly positional: readonly EngineValue[]
  readonly named: ReadonlyMap<string, EngineValue>
}

/** Throws `SqlFailure` when both kinds are given at once. */
export function checkKindsOfArguments({ positional, named }: Arguments): void {
  if (positional.length > 0 && named.size > 0) {
    throw new SqlFailure(
      'ARGS_BOTH_POSITIONAL_AND_NAMED',
      'Specifying both positional and named arguments is not supported',
    )
  }
}

/**
 * The values by position. Throws `SqlFailure` when there are too many, when one is missing, or when both kinds are
 * given at once. `isBare`: the prefix of a name does not count.
 */
export function bindArguments(statement: Statement, args: Arguments, isBare: boolean): EngineValue[] {
  checkKindsOfArguments(args)
  const { positional } = args
  const named = isBare ? withoutPrefixes(args.named) : args.named
  const { parameters } = statement
  const given = positional.length + named.size
  if (given > parameters.length) {
    throw invalid(`too many parameters, expected ${parameters.length} found ${given}`)
  }
  return parameters.map((name, index) => {
    const value =
      name === null || name.startsWith('?')
        ? positional[index]
        : named.get(named.has(name) ? name : name.slice(1))
    // It does not run. SQLite would make constants of some, see `explainable.ts`.
    if (statement.kind === 'explain') return null
    if (value !== undefined) return value
    throw invalid(`value for parameter ${name ?? index + 1} not found`)
  })
}

function withoutPrefixes(named: Arguments['named']): Arguments['named'] {
  return new Map(Array.from(named, ([name, value]) => [name.replace(/^[:@$]/, ''), value]))
}

function invalid(reason: string): SqlFailure {
  return new SqlFailure('ARGS_INVALID', `Arguments do not match SQL parameters: ${reason}`)
}
