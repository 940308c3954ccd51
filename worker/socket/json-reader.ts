/** Reads JSON that was checked from its front to its end, no part of it twice, and nothing that is not asked for. Pure. */
import { skipSpace, skipString, skipValue } from '../hrana/envelope.ts'

/** Something in a request is not as the protocol has it. The message names it, and says what it must be. */
export class MalformedRequestError extends Error {
  override readonly name = 'MalformedRequestError'
}

/** Each call reads a value: the text, and then whichever is next. */
export interface JsonReader {
  /**
   * Has each member with one of these names read by `visit`, whose `null` counts as missing, and the others skipped.
   *
   * @throws {MalformedRequestError} when it is no object, or has one of them twice
   */
  object: <Name extends string>(names: readonly Name[], visit: (name: Name) => void) => void
  /**
   * Has each element read by `visit`.
   *
   * @throws {MalformedRequestError} when it is no array
   */
  array: (visit: (index: number) => void) => void
  /** Any value, as it was written. */
  raw: () => string
  /** What is read by the action, as it was written. */
  written: (read: () => void) => string
  /** @returns what is wrong with what is being read, or with a member of it */
  malformed: (rule: string, member?: string) => MalformedRequestError
}

/**
 * @param json `undefined` where something is missing
 * @param name of the whole, in errors
 */
export function createJsonReader(given: string | undefined, name: string): JsonReader {
  const json = given ?? ''
  let at = skipSpace(json, 0)
  /** Of what is being read: `batch`, `steps`, 1, `stmt`. */
  const path: (string | number)[] = [name]

  const malformed = (rule: string, member?: string): MalformedRequestError =>
    new MalformedRequestError(
      `"${[...path, ...(member === undefined ? [] : [member])].reduce(toPath)}" ${rule}`,
    )

  function nameOf<Name extends string>(start: number, end: number, names: readonly Name[]): Name | undefined {
    const key = json.slice(start, end)
    const plain: string =
      key.includes('\\') && key.length <= MAX_KEY_CHARACTERS ? JSON.parse(key) : key.slice(1, -1)
    return names.find((known) => known === plain)
  }

  return {
    object(names, visit) {
      if (json[at] !== '{') throw malformed('must be an object')
      const seen = new Set<string>()
      at = skipSpace(json, at + 1)
      while (json[at] !== '}') {
        const keyEnd = skipString(json, at)
        const member = nameOf(at, keyEnd, names)
        at = skipSpace(json, skipSpace(json, keyEnd) + 1)
        if (member === undefined) at = skipValue(json, at)
        else {
          if (seen.has(member)) throw malformed('has a member twice')
          seen.add(member)
          if (json.startsWith('null', at)) at += 4
          else {
            path.push(member)
            visit(member)
            path.pop()
          }
        }
        at = skipSpace(json, at)
        if (json[at] === ',') at = skipSpace(json, at + 1)
      }
      at += 1
    },
    array(visit) {
      if (json[at] !== '[') throw malformed('must be an array')
      at = skipSpace(json, at + 1)
      for (let index = 0; json[at] !== ']'; index++) {
        path.push(index)
        visit(index)
        path.pop()
        at = skipSpace(json, at)
        if (json[at] === ',') at = skipSpace(json, at + 1)
      }
      at += 1
    },
    raw() {
      const start = at
      at = skipValue(json, start)
      return json.slice(start, at)
    },
    written(read) {
      const start = at
      read()
      return json.slice(start, at)
    },
    malformed,
  }
}

/** Of a key with escapes; longer ones are no name that the protocol knows. */
const MAX_KEY_CHARACTERS = 100

const toPath = (path: string | number, part: string | number): string =>
  typeof part === 'number' ? `${path}[${part}]` : `${path}.${part}`
