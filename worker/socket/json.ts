/**
 * JSON that a stranger wrote, checked without being decoded: as values it could take twenty times its size in memory, and
 * a number such as `-0.0` would not come out as it went in. What has been checked can then be cut with `envelope.ts`.
 * Pure.
 */

/** What may follow an opening bracket, a comma or a colon. */
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})/y
// oxlint-disable-next-line no-control-regex -- those are what a string may not hold
const PLAIN = /[^"\\\u0000-\u001f]*/y
const SPACE = /[ \t\r\n]*/y

/**
 * @param maxDepth of objects and arrays in each other
 * @throws {SyntaxError} saying what is wrong and where, without quoting the text
 */
export function checkJson(json: string, maxDepth: number): void {
  const open: ('{' | '[')[] = []
  let at = match(SPACE, json, 0)
  for (;;) {
    at = checkValueStart(json, at, open, maxDepth)
    // Behind a value: close what ends here, until another value has to follow.
    for (;;) {
      at = match(SPACE, json, at)
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
        at = match(SPACE, json, at + 1)
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
    if (character !== '{' && character !== '[') {
      const end = match(SCALAR, json, at)
      if (end === at) throw fault('a value is missing', at)
      return end
    }
    if (open.length === maxDepth) throw fault(`more than ${maxDepth} levels deep`, at)
    at = match(SPACE, json, at + 1)
    if (json[at] === (character === '{' ? '}' : ']')) return at + 1
    open.push(character)
    if (character === '{') at = checkKey(json, at)
  }
}

/** @returns where the member's value begins */
function checkKey(json: string, at: number): number {
  if (json[at] !== '"') throw fault('a key is missing', at)
  const colon = match(SPACE, json, checkString(json, at))
  if (json[colon] !== ':') throw fault('a colon is missing', colon)
  return match(SPACE, json, colon + 1)
}

function checkString(json: string, start: number): number {
  let at = match(PLAIN, json, start + 1)
  while (json[at] === '\\') {
    const end = match(ESCAPE, json, at)
    if (end === at) throw fault('an escape is malformed', at)
    at = match(PLAIN, json, end)
  }
  if (json[at] !== '"') throw fault('a string is cut off', at)
  return at + 1
}

/** @returns the end of the match, which begins at `at`; `at` itself if there is none */
function match(pattern: RegExp, json: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(json) ? pattern.lastIndex : at
}

const fault = (what: string, at: number): SyntaxError => new SyntaxError(`${what}, at character ${at}`)
