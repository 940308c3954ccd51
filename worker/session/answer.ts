/** What the answer to a pipeline says about its stream, and the results without what the gateway asked itself. Pure. */
import { elementsOf, findMembers, readShortString, sliceMembers, type Span } from '../hrana/envelope.ts'
import { MAX_BATON_CHARACTERS } from '../limits.ts'

export interface PipelineAnswer {
  baton: string | null
  baseUrl: string | null
  /** Where the results are, as the database wrote them. */
  results: Span
}

/** @returns `undefined` when it is not a pipeline's answer, as when it was cut off */
export function readAnswer(text: string): PipelineAnswer | undefined {
  try {
    const members = findMembers(text, ['baton', 'base_url', 'results'])
    const read = (name: 'baton' | 'base_url'): string | null | undefined => {
      const span = members.get(name)
      return readShortString(span && text.slice(span.start, span.end), MAX_BATON_CHARACTERS)
    }
    const baton = read('baton')
    const baseUrl = read('base_url')
    const results = members.get('results')
    if (baton === undefined || baseUrl === undefined || results === undefined) return undefined
    return text[results.start] === '[' ? { baton, baseUrl, results } : undefined
  } catch {
    return undefined
  }
}

export interface OwnResults {
  /** Those of the client's requests, but for the bracket at their end. */
  results: string
  /** Where they are in the answer; `null` if there is other text between them. */
  span: Span | null
  /** What the last one, a `get_autocommit`, said; `null` when it failed or was not asked. */
  isAutocommit: boolean | null
}

/**
 * Takes away the first results and the last, which answer requests that the client has not sent.
 *
 * @returns `undefined` when they are not there, or one of the first has failed
 */
export function cutResults(
  text: string,
  { start, end }: Span,
  { first, hasLast }: { first: number; hasLast: boolean },
): OwnResults | undefined {
  const results = text.slice(start, end)
  const until = (characters: number): Omit<OwnResults, 'isAutocommit'> => {
    const span = { start, end: end - characters }
    return { results: text.slice(span.start, span.end), span }
  }
  // What every server writes: no result is looked at.
  const last = hasLast && first === 0 ? AUTOCOMMIT.exec(results.slice(-AUTOCOMMIT_CHARACTERS)) : null
  if (last !== null) return { ...until(last[0].length), isAutocommit: last[1] === 'true' }
  if (first === 0 && !hasLast) return { ...until(1), isAutocommit: null }
  try {
    const elements = [...elementsOf(results)]
    if (elements.length < first + (hasLast ? 1 : 0)) return undefined
    if (!elements.slice(0, first).every(isOk)) return undefined
    const isAutocommit = hasLast ? readAutocommit(elements.at(-1)!) : null
    const own = elements.slice(first, hasLast ? -1 : undefined)
    return { results: `[${own.join(',')}`, span: null, isAutocommit }
  } catch {
    return undefined
  }
}

/** Which results are successes, by their index. */
export function successesOf(results: string): boolean[] {
  return Array.from(elementsOf(results), isOk)
}

/** How many rows the database read and wrote for it: counted where they are said, never in a text, whose quotes are escaped. */
export function countRows(results: string): number {
  let rows = 0
  for (const [, count] of results.matchAll(/"rows_(?:read|written)":(\d{1,15})/g)) rows += Number(count)
  return rows
}

const AUTOCOMMIT = /,?\{"type":"ok","response":\{"type":"get_autocommit","is_autocommit":(true|false)\}\}\]$/
const AUTOCOMMIT_CHARACTERS = 100

function isOk(result: string): boolean {
  return readShortString(sliceMembers(result, ['type']).type, 20) === 'ok'
}

function readAutocommit(result: string): boolean | null {
  const { response } = sliceMembers(result, ['response'])
  if (!isOk(result) || response === undefined) return null
  const { is_autocommit } = sliceMembers(response, ['is_autocommit'])
  return is_autocommit === 'true' ? true : is_autocommit === 'false' ? false : null
}
