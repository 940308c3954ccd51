/** The outermost object or array of a JSON text, without decoding what is in it. Pure. */
import { bytesOf } from '../memory/bytes.ts'

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
  for (const [name, { start, end }] of findMembers(json, names)) members[name] = json.slice(start, end)
  return members
}

export interface Span {
  start: number
  end: number
}

/** Where they are, as {@link sliceMembers}. */
export function findMembers<Name extends string>(json: string, names: readonly Name[]): Map<Name, Span> {
  const members = new Map<Name, Span>()
  let at = skipSpace(json, 0)
  if (json[at] !== '{') throw new SyntaxError('not an object')
  at = skipSpace(json, at + 1)
  while (json[at] !== '}') {
    const keyEnd = json[at] === '"' ? skipString(json, at) : -1
    const colon = skipSpace(json, keyEnd)
    if (json[colon] !== ':') throw new SyntaxError('not a member')
    const name = names.find((wanted) => isKey(json, at, keyEnd, wanted))
    const start = skipSpace(json, colon + 1)
    const end = skipValue(json, start)
    if (name !== undefined) {
      if (members.has(name)) throw new SyntaxError('a member occurs twice')
      members.set(name, { start, end })
    }
    at = skipSpace(json, end)
    if (json[at] === '}') break
    at = json[at] === ',' ? skipSpace(json, at + 1) : -1
    if (json[at] !== '"') throw new SyntaxError('cut off')
  }
  if (skipSpace(json, at + 1) < json.length) throw new SyntaxError('something is behind the object')
  return members
}

/**
 * The bytes of a part of a text, which is that of all of them: what is before and behind it is measured, which is short.
 *
 * @param text of which no character stands for bytes that are none
 */
export function spanOf(
  bytes: Uint8Array<ArrayBuffer>,
  text: string,
  { start, end }: Span,
): Uint8Array<ArrayBuffer> {
  const before = utf8Length(text.slice(0, start))
  return bytes.subarray(before, bytes.length - utf8Length(text.slice(end)))
}

const utf8Length = (text: string): number => (text === '' ? 0 : bytesOf(text).length)

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

export function skipSpace(json: string, at: number): number {
  for (; ; at++) {
    const code = json.charCodeAt(at)
    if (code !== SPACE && code !== NEWLINE && code !== RETURN && code !== TAB) return at
  }
}

/** Characters. */
const NEAR = 32

const SPACE = 32
const NEWLINE = 10
const RETURN = 13
const TAB = 9
const QUOTE = 34
const BACKSLASH = 92
const COMMA = 44
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125

/** @returns the position behind the closing quote */
export function skipString(json: string, start: number): number {
  const end = endOfString(json, start)
  if (end === undefined) throw new SyntaxError('a string is cut off')
  return end
}

function endOfString(json: string, start: number): number | undefined {
  // Many are short, or have quotes close to each other: to begin a search takes longer than to read so much.
  for (let at = start + 1; at < json.length;) {
    for (const near = at + NEAR; at < near;) {
      const code = json.charCodeAt(at)
      if (code === QUOTE) return at + 1
      at += code === BACKSLASH ? 2 : 1
    }
    const quote = json.indexOf('"', at)
    if (quote === -1) return undefined
    let before = quote - 1
    while (before >= at && json.charCodeAt(before) === BACKSLASH) before--
    if ((quote - before) % 2 === 1) return quote + 1
    at = quote + 1
  }
  return undefined
}

/** @returns the position behind the value: where its brackets are balanced again, or before the next delimiter */
export function skipValue(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length;) {
    const code = json.charCodeAt(at)
    if (code === QUOTE) {
      at = skipString(json, at)
      if (depth === 0) return at
      continue
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (code === COMMA || code <= SPACE)) return at
    at++
  }
  throw new SyntaxError('a value is cut off')
}
