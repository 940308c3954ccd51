/** The text of a pipeline's answer → the protocol's JSON, the rows left as they are for who decodes them. */
import { leaveRows } from './result.ts'
import { cutRows, type RowsPiece } from './scan.ts'
import type { WirePipelineResponse, WireValue } from './wire.ts'

/** Below, `JSON.parse` is as fast, and cold code faster. */
const MIN_CHARACTERS = 0x1000

/**
 * What `JSON.parse` gives, except that rows in compact JSON are no part of it: {@link decodeResult} finds them. What the
 * rows are replaced with cannot be known to a server, and what cannot be put in its place again is parsed as a whole.
 *
 * @throws {SyntaxError} when the text is not JSON
 */
export function parseAnswer(text: string): unknown {
  if (text.length >= MIN_CHARACTERS)
    try {
      const answer = parseAround(text)
      if (answer) return answer
    } catch {
      // Not JSON, or of another shape.
    }
  return JSON.parse(text)
}

function parseAround(text: string): unknown {
  const found: RowsPiece[][] = []
  const mark = Math.random()
  let around = ''
  let from = 0
  // Short, since only those of less than seven characters are looked for in strides.
  for (let at = text.indexOf(':[['); at >= 0; at = text.indexOf(':[[', at)) {
    at += 2
    // In JSON this is never within a string, whose quotes would be escaped; it may be the end of a longer key.
    if (!text.endsWith('"rows":[', at)) continue
    const pieces: RowsPiece[] = []
    const end = cutRows(text, at, pieces)
    if (end === undefined) return undefined
    if (end === at) continue
    // What was not cut stays where it is, behind a comma or before the bracket.
    around += `${text.slice(from, at)}${mark},${found.push(pieces)}`
    from = at = end
  }
  if (found.length === 0) return undefined
  const answer = JSON.parse(around + text.slice(from)) as WirePipelineResponse
  let left = 0
  for (const entry of answer.results) {
    const response = entry.type === 'ok' && entry.response
    if (!response) continue
    const results =
      response.type === 'execute'
        ? [response.result]
        : response.type === 'batch'
          ? response.result.step_results
          : []
    for (const result of results) {
      const rows = result?.rows as unknown[] | undefined
      if (rows?.[0] === mark) {
        leaveRows(result!, found[(rows[1] as number) - 1]!, rows.slice(2) as WireValue[][])
        left++
      }
    }
  }
  return left === found.length ? answer : undefined
}
