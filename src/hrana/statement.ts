/** (sql, args) → the protocol's statement. */
import { encodeValue, type SqlInput } from './value.ts'
import type { WireStatement } from './wire.ts'

/** Positional for `?` and `?1`; by name for `:name`, `@name` and `$name`, written with or without the prefix. */
export type Args = readonly SqlInput[] | Readonly<Record<string, SqlInput>>

/** One SQL statement with its arguments, which are always bound, never pasted into the text. */
export type Statement = string | StatementObject

/** What the `sql` tag makes, or the same written out. */
export interface StatementObject {
  readonly sql: string
  readonly args?: Args | undefined
}

/**
 * @throws {TypeError} for anything that is not a statement, and what {@link encodeValue} throws, naming the argument
 */
export function encodeStatement(statement: Statement): WireStatement {
  const { sql, args } =
    typeof statement === 'string' ? { sql: statement, args: undefined } : (statement ?? {})
  if (typeof sql !== 'string') throw new TypeError('A statement is a string or { sql, args }')
  const encoded: WireStatement = { sql, want_rows: true }
  if (Array.isArray(args))
    encoded.args = args.map((value, index) => encodeValue(value, `Argument ${index + 1}`))
  else if (isPlainObject(args))
    encoded.named_args = Object.entries(args).map(([name, value]) => ({
      name,
      value: encodeValue(value, `Argument "${name}"`),
    }))
  else if (args !== undefined) throw new TypeError('Arguments are an array, or an object for named ones')
  return encoded
}

/** Others (a Map, a Date, bytes) would be bound as something that nobody meant. */
function isPlainObject(value: unknown): value is Readonly<Record<string, SqlInput>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
