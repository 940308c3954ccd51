/**
 * JSON that a stranger wrote, checked without being decoded: as values it could take twenty times its size in memory, and
 * a number such as `-0.0` would not come out as it went in. What has been checked can then be cut with `envelope.ts`.
 * Pure.
 */
import { skipSpace } from '../hrana/envelope.ts'

/** Up to a quote, an escape or the end; a run of escapes with what is between them. */
// oxlint-disable-next-line no-control-regex -- those are what a string may not hold
const PLAIN = /[^"\\\u0000-\u001f]*/y
// oxlint-disable-next-line no-control-regex -- likewise
const ESCAPES = /(?:\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})[^"\\\u0000-\u001f]*){1,1000}/y

/**
 * @param maxDepth of objects and arrays in each other
 * @throws {SyntaxError} saying what is wrong and where, without quoting the text
 */
export function checkJson(json: string, maxDepth: number): void {
  const open: ('{' | '[')[] = []
  let at = skipSpace(json, 0)
  for (;;) {
    at = checkValueStart(json, at, open, maxDepth)
    // Behind a value: close what ends here, until another value has to follow.
    for (;;) {
      at = skipSpace(json, at)
      const inside = open.at(-1)
      if (inside === undefined) {
        if (at < json.length) throw fault('something follows its end', at)
        return
      }
      const character = json[at]
      if (character === (inside === '{' ? '}' : ']')) {
        open.pop()
        at++
      } else if (character === ',') {
        at = skipSpace(json, at + 1)
        if (inside === '{') at = checkKey(json, at)
        break
      } else throw fault('a comma or a closing bracket is missing', at)
    }
  }
}

/** Goes into objects and arrays as far as to their first value, and past everything else. */
function checkValueStart(json: string, start: number, open: ('{' | '[')[], maxDepth: number): number {
  let at = start
  for (;;) {
    const character = json[at]
    if (character === '"') return checkString(json, at)
    if (character !== '{' && character !== '[') return checkScalar(json, at)
    if (open.length === maxDepth) throw fault(`more than ${maxDepth} levels deep`, at)
    at = skipSpace(json, at + 1)
    if (json[at] === (character === '{' ? '}' : ']')) return at + 1
    open.push(character)
    if (character === '{') at = checkKey(json, at)
  }
}

function checkScalar(json: string, at: number): number {
  for (const word of ['null', 'true', 'false']) if (json.startsWith(word, at)) return at + word.length
  const end = endOfNumber(json, at)
  if (end === at) throw fault('a value is missing', at)
  return end
}

/** @returns where it begins if there is none */
function endOfNumber(json: string, start: number): number {
  const first = json[start] === '-' ? start + 1 : start
  let end = json[first] === '0' ? first + 1 : skipDigits(json, first)
  if (end === first) return start
  if (json[end] === '.') end = skipDigits(json, end + 1, end)
  if (json[end] === 'e' || json[end] === 'E') {
    const sign = json[end + 1]
    end = skipDigits(json, sign === '-' || sign === '+' ? end + 2 : end + 1, end)
  }
  return end
}

/** @returns `otherwise` if there are none */
function skipDigits(json: string, start: number, otherwise = start): number {
  let at = start
  for (let code = json.charCodeAt(at); code >= 48 && code <= 57; code = json.charCodeAt(at)) at++
  return at === start ? otherwise : at
}

/** @returns where the member's value begins */
function checkKey(json: string, at: number): number {
  if (json[at] !== '"') throw fault('a key is missing', at)
  const colon = skipSpace(json, checkString(json, at))
  if (json[colon] !== ':') throw fault('a colon is missing', colon)
  return skipSpace(json, colon + 1)
}

function checkString(json: string, start: number): number {
  // Most are short, and to begin a search takes longer than to read them.
  let at = start + 1
  for (const near = at + SHORT; at < near && isPlain(json.charCodeAt(at));) at++
  if (json[at] !== '"') at = match(PLAIN, json, at)
  while (json[at] === '\\') {
    const end = match(ESCAPES, json, at)
    if (end === at) throw fault('an escape is malformed', at)
    at = end
  }
  if (json[at] !== '"') throw fault('a string is cut off', at)
  return at + 1
}

const SHORT = 16
const QUOTE = 34
const BACKSLASH = 92

/** No control character, and not `NaN`, which is what is behind the end. */
const isPlain = (code: number): boolean => code >= 32 && code !== QUOTE && code !== BACKSLASH

/** @returns the end of the match, which begins at `at`; `at` itself if there is none */
function match(pattern: RegExp, json: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(json) ? pattern.lastIndex : at
}

const fault = (what: string, at: number): SyntaxError => new SyntaxError(`${what}, at character ${at}`)
