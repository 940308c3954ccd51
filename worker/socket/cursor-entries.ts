/**
 * The entries of a cursor, out of the lines in which a database sends them, a few at a time. Read from the database only
 * when the client asks, and no further than to the end of the piece in which the last of them came.
 */
import { sliceMembers } from '../envelope.ts'

export interface Entries {
  /** As JSON. */
  entries: string[]
  isDone: boolean
}

/** What the database sent is no cursor, or was cut off. */
export class BrokenCursorError extends Error {
  override readonly name = 'BrokenCursorError'
}

/**
 * @param lines each without its line feed, and behind the first one, which is the cursor's head
 * @returns reads up to `maxCount` entries, and no more once they have `maxCharacters`. What it throws is a
 *   {@link BrokenCursorError} or what the lines throw; it must not be called again then, nor while it runs
 */
export function entryReader(
  lines: AsyncIterator<string>,
): (maxCount: number, maxCharacters: number) => Promise<Entries> {
  let isDone = false
  let isInStep = false

  /** @returns `undefined` for what a client does not know: servers add entries of their own */
  function toEntry(line: string): string | undefined {
    // Nearly all of them, and nothing in them has to change.
    if (line.startsWith('{"type":"row",')) return line
    const { type, last_insert_rowid: rowid } = slice(line)
    switch (type) {
      case '"row"':
      case '"error"':
        return line
      case '"step_begin"':
        isInStep = true
        return line
      case '"step_error"':
        isInStep = false
        return line
      case '"step_end"':
        isInStep = false
        return rowid !== undefined && /^-?\d+$/.test(rowid) ? quoteRowid(line, rowid) : line
      default:
        return undefined
    }
  }

  return async function read(maxCount, maxCharacters) {
    const entries: string[] = []
    let characters = 0
    while (!isDone && entries.length < maxCount && characters < maxCharacters) {
      const { value: line, done } = await lines.next()
      if (done === true) {
        if (isInStep) throw new BrokenCursorError('it ended within a step')
        isDone = true
        break
      }
      const entry = toEntry(line)
      if (entry === undefined) continue
      entries.push(entry)
      characters += entry.length
    }
    return { entries, isDone }
  }
}

/** The rowid as the specification has it, a string; sqld and Turso Cloud send a number, which clients refuse. */
function quoteRowid(line: string, rowid: string): string {
  const { affected_row_count: affected = '0' } = slice(line)
  return `{"type":"step_end","affected_row_count":${affected},"last_insert_rowid":"${rowid}"}`
}

function slice(line: string): Partial<Record<'type' | 'last_insert_rowid' | 'affected_row_count', string>> {
  try {
    return sliceMembers(line, ['type', 'last_insert_rowid', 'affected_row_count'])
  } catch {
    throw new BrokenCursorError('a line is not an entry')
  }
}

/**
 * The lines of a body, as they come.
 *
 * @param maxCharacters of one line
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  maxCharacters: number,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const text = rest + decoder.decode(chunk, { stream: true })
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      yield text.slice(start, end)
      start = end + 1
    }
    rest = text.slice(start)
    if (rest.length > maxCharacters)
      throw new BrokenCursorError(`a line of more than ${maxCharacters} characters`)
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
