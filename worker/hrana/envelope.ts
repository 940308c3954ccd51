/** The outermost object or array of a JSON text, without decoding what is in it. Pure. */

/**
 * The raw text of the named members, so that one can be replaced and the others passed on untouched: decoding and
 * encoding again would turn `-0.0` into `0`, for one. Costs no memory but for these.
 *
 * @throws {SyntaxError} when the text is not an object and nothing else, or has one of these members twice, of which two readers may pick
 *   different ones. The members themselves are only skipped, not checked.
 */
export function sliceMembers<Name extends string>(
  json: string,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  // Without a prototype: a member may have any name, and `__proto__` is one.
  const members = Object.create(null) as Partial<Record<Name, string>>
  let at = skipSpace(json, 0)
  if (json[at] !== '{') throw new SyntaxError('not an object')
  at = skipSpace(json, at + 1)
  while (json[at] !== '}') {
    const keyEnd = json[at] === '"' ? skipString(json, at) : Number.NaN
    const colon = skipSpace(json, keyEnd)
    if (json[colon] !== ':') throw new SyntaxError('not a member')
    const name = names.find((wanted) => isKey(json, at, keyEnd, wanted))
    const start = skipSpace(json, colon + 1)
    const end = skipValue(json, start)
    if (name !== undefined) {
      if (Object.hasOwn(members, name)) throw new SyntaxError('a member occurs twice')
      members[name] = json.slice(start, end)
    }
    at = skipSpace(json, end)
    if (json[at] === '}') break
    at = json[at] === ',' ? skipSpace(json, at + 1) : Number.NaN
    if (json[at] !== '"') throw new SyntaxError('cut off')
  }
  if (skipSpace(json, at + 1) < json.length) throw new SyntaxError('something is behind the object')
  return members
}

/** Whether a key, written with escapes or without, is this name. With them it is at most six times as long. */
function isKey(json: string, start: number, end: number, name: string): boolean {
  const length = end - start - 2
  if (length < name.length || length > name.length * 6) return false
  return JSON.parse(json.slice(start, end)) === name
}

/** A short string or null; anything else, however large, is not even looked at. */
export function readShortString(json: string | undefined, maxCharacters: number): string | null | undefined {
  if (json === undefined || json === 'null') return null
  return json.startsWith('"') && json.length <= maxCharacters ? (JSON.parse(json) as string) : undefined
}

/**
 * The raw texts of an array's elements, which are only skipped, not checked.
 *
 * @throws {SyntaxError} when the text is not an array, or an element is missing or cut off
 */
export function* elementsOf(json: string): Generator<string, undefined> {
  let at = skipSpace(json, 0)
  if (json[at] !== '[') throw new SyntaxError('not an array')
  at = skipSpace(json, at + 1)
  if (json[at] === ']') return
  for (;;) {
    const end = skipValue(json, at)
    if (end === at) throw new SyntaxError('an element is missing')
    yield json.slice(at, end)
    const next = skipSpace(json, end)
    if (json[next] === ']') return
    if (json[next] !== ',') throw new SyntaxError('cut off')
    at = skipSpace(json, next + 1)
  }
}

/** The last of {@link elementsOf}, `undefined` if there is none. */
export function sliceLastElement(json: string): string | undefined {
  let last: string | undefined
  for (const element of elementsOf(json)) last = element
  return last
}

/**
 * The strings of all members `sql`, wherever they are, as JSON with their quotes; one that is cut off has none at its end.
 * None is within a string, whose quotes are escaped.
 */
export function* sqlTextsOf(json: string): Generator<string, undefined> {
  for (let at = json.indexOf(SQL); at !== -1; at = json.indexOf(SQL, at)) {
    at = skipSpace(json, at + SQL.length)
    if (json[at] !== ':') continue
    at = skipSpace(json, at + 1)
    if (json[at] !== '"') continue
    const end = endOfString(json, at) ?? json.length
    yield json.slice(at, end)
    at = end
  }
}

const SQL = '"sql"'

function skipSpace(json: string, at: number): number {
  while (json[at] === ' ' || json[at] === '\n' || json[at] === '\r' || json[at] === '\t') at++
  return at
}

/** @returns the position behind the closing quote */
function skipString(json: string, start: number): number {
  const end = endOfString(json, start)
  if (end === undefined) throw new SyntaxError('a string is cut off')
  return end
}

function endOfString(json: string, start: number): number | undefined {
  for (let quote = json.indexOf('"', start + 1); quote !== -1; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (json[quote - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return quote + 1
  }
  return undefined
}

/** @returns the position behind the value: where its brackets are balanced again, or before the next delimiter */
function skipValue(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length;) {
    const character = json[at]!
    if (character === '"') {
      at = skipString(json, at)
      if (depth === 0) return at
      continue
    }
    if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (character === ',' || character <= ' ')) return at
    at++
  }
  throw new SyntaxError('a value is cut off')
}
