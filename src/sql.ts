/** The `sql` tag: statements as values that nest, with every interpolated value bound. */
import type { SqlInput } from './hrana/value.ts'

/**
 * A statement, or a part of one. Immutable; its text and arguments are put together when they are first asked for.
 * Can be passed wherever a {@link Statement} can.
 */
export interface SqlFragment {
  /** The text, with `?` for each argument. */
  readonly sql: string
  /** In the order of their `?`. */
  readonly args: readonly SqlInput[]
}

export interface SqlTag {
  (template: TemplateStringsArray, ...values: readonly (SqlInput | SqlFragment)[]): SqlFragment

  /**
   * Puts a separator, by default a comma, between values (bound) and fragments. An empty list is an empty fragment,
   * which SQLite takes in `in ()`.
   *
   * @example
   * sql`select * from notes where id in (${sql.join([1, 2, 3])})`
   */
  join(items: readonly (SqlInput | SqlFragment)[], separator?: SqlFragment): SqlFragment

  /**
   * The quoted name of a table or column; several are joined by dots.
   *
   * @throws {TypeError} for an empty name and one with NUL, where SQLite would cut it
   * @example
   * sql`select ${sql.identifier('notes', 'title')} from ${sql.identifier('notes')}`
   */
  identifier(...names: readonly string[]): SqlFragment

  /** Text that becomes part of the statement as it stands. Never for what a user has typed. */
  raw(text: string): SqlFragment
}

/**
 * Interpolated values are always bound, never pasted in; fragments become part of the statement.
 *
 * @example
 * const open = sql`closed_at is null`
 * await db.execute(sql`select * from notes where author = ${author} and ${open}`)
 */
export const sql: SqlTag = /* @__PURE__ */ Object.assign(fromTemplate, {
  join: joinFragments,
  identifier: quoteIdentifier,
  raw: fromText,
})

type Part = { text: string } | { value: SqlInput } | SqlFragment

/** Tells fragments of the tag from objects that only look like them, as a request body may hold. */
const partsOf = new WeakMap<object, readonly Part[]>()

function fromTemplate(
  template: TemplateStringsArray,
  ...values: readonly (SqlInput | SqlFragment)[]
): SqlFragment {
  if (template.includes(undefined as never))
    throw new TypeError('An SQL text has an escape that is none, such as \\u{zz}')
  return createFragment(
    template.flatMap((text, index) => (index === 0 ? [{ text }] : [toPart(values[index - 1]!), { text }])),
  )
}

function joinFragments(
  items: readonly (SqlInput | SqlFragment)[],
  separator: SqlFragment = fromText(', '),
): SqlFragment {
  if (!isFragment(separator)) throw new TypeError('The separator of sql.join must be made by the sql tag')
  return createFragment(
    items.flatMap((item, index) => (index === 0 ? [toPart(item)] : [separator, toPart(item)])),
  )
}

function quoteIdentifier(...names: readonly string[]): SqlFragment {
  for (const name of names.length === 0 ? [''] : names)
    if (typeof name !== 'string' || name === '' || name.includes('\0'))
      throw new TypeError('An SQL identifier must be a non-empty string without NUL')
  return fromText(names.map((name) => `"${name.replaceAll('"', '""')}"`).join('.'))
}

function fromText(text: string): SqlFragment {
  return createFragment([{ text }])
}

function createFragment(parts: readonly Part[]): SqlFragment {
  let built: SqlFragment | undefined
  const fragment = Object.freeze({
    get sql(): string {
      return (built ??= build(parts)).sql
    },
    get args(): readonly SqlInput[] {
      return (built ??= build(parts)).args
    },
  })
  partsOf.set(fragment, parts)
  return fragment
}

function toPart(item: SqlInput | SqlFragment): Part {
  return isFragment(item) ? item : { value: item }
}

function isFragment(item: unknown): item is SqlFragment {
  return typeof item === 'object' && item !== null && partsOf.has(item)
}

/** With a stack of its own: a statement that was put together in a loop is nested as deeply as the loop was long. */
function build(parts: readonly Part[]): SqlFragment {
  let text = ''
  const args: SqlInput[] = []
  const pending = parts.toReversed()
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if ('text' in part) text += part.text
    else if ('value' in part) {
      text += '?'
      args.push(part.value)
    } else for (const inner of partsOf.get(part)!.toReversed()) pending.push(inner)
  }
  return { sql: text, args: Object.freeze(args) }
}
