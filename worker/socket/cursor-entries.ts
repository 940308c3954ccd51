/**
 * The entries of a cursor, out of the body in which a database sends them, a few at a time. Read only when the client
 * asks, and no further than to the end of the piece in which the last of them came.
 */
import { sliceMembers } from '../hrana/envelope.ts'
import { MAX_CURSOR_LINE_CHARACTERS, MAX_SOCKET_JSON_DEPTH } from '../limits.ts'
import { checkJson } from './json.ts'

export interface Entries {
  /** As JSON. */
  entries: string[]
  isDone: boolean
}

/** What the database sent is no cursor, or was cut off. */
export class BrokenCursorError extends Error {
  override readonly name = 'BrokenCursorError'
}

export interface EntryReader {
  /**
   * Reads up to `maxCount` entries, and no more once they have `maxCharacters`. Not to be called while it runs, nor after
   * it has thrown a {@link BrokenCursorError} or what the body throws.
   */
  read: (maxCount: number, maxCharacters: number) => Promise<Entries>
  /**
   * Reads up to so many bytes more, and forgets them.
   *
   * @returns whether that was all
   */
  skip: (maxBytes: number) => Promise<boolean>
  /** Lets go of the body. What is being read then ends as if the body did. */
  cancel: () => Promise<void>
}

/** @param body a line for each entry, behind the first line, which is the cursor's head */
export function readEntries(body: ReadableStream<Uint8Array>): EntryReader {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  /** The piece that was read last, of which what is before `at` has been taken. */
  let piece = ''
  let at = 0
  /** What came before it of a line that has not ended. In parts: together they would be copied with each that comes. */
  let begun: string[] = []
  let begunCharacters = 0
  let isAtEnd = false
  let isInStep = false

  /** @returns `undefined` when there is none left */
  async function nextLine(): Promise<string | undefined> {
    for (;;) {
      const end = piece.indexOf('\n', at)
      if (end !== -1) {
        const line = takeUpTo(end)
        at = end + 1
        return line
      }
      if (isAtEnd) break
      await readOn()
    }
    const rest = takeUpTo(piece.length)
    if (rest === '') return undefined
    // A row that was cut off may end as one that was not.
    try {
      checkJson(rest, MAX_SOCKET_JSON_DEPTH)
    } catch {
      throw new BrokenCursorError('its last line is cut off')
    }
    return rest
  }

  /** What has begun, with the piece as far as to `end`. */
  function takeUpTo(end: number): string {
    const last = piece.slice(at, end)
    const line = begun.length === 0 ? last : begun.join('') + last
    begun = []
    begunCharacters = 0
    at = end
    return line
  }

  async function readOn(): Promise<void> {
    const { value, done } = await reader.read()
    isAtEnd = done
    const rest = piece.slice(at)
    if (rest !== '') begun.push(rest)
    begunCharacters += rest.length
    piece = done ? decoder.decode() : decoder.decode(value, { stream: true })
    at = 0
    if (begunCharacters > MAX_CURSOR_LINE_CHARACTERS)
      throw new BrokenCursorError(`a line of more than ${MAX_CURSOR_LINE_CHARACTERS} characters`)
  }

  /** @returns `undefined` for what a client does not know: servers add entries of their own */
  function toEntry(line: string): string | undefined {
    // Nearly all of them, and nothing in them has to change.
    if (line.startsWith('{"type":"row",') && line.endsWith('}')) return line
    const { type, last_insert_rowid: rowid } = slice(line)
    switch (type) {
      case '"row"':
        return line
      case '"step_begin"':
        isInStep = true
        return line
      case '"step_error"':
      case '"error"':
        isInStep = false
        return line
      case '"step_end"':
        isInStep = false
        return rowid !== undefined && /^-?\d+$/.test(rowid) ? quoteRowid(line, rowid) : line
      default:
        return undefined
    }
  }

  return {
    async read(maxCount, maxCharacters) {
      const entries: string[] = []
      let characters = 0
      while (entries.length < maxCount && characters < maxCharacters) {
        const line = await nextLine()
        if (line === undefined) {
          if (isInStep) throw new BrokenCursorError('it ended within a step')
          return { entries, isDone: true }
        }
        const entry = toEntry(line)
        if (entry === undefined) continue
        entries.push(entry)
        characters += entry.length
      }
      return { entries, isDone: false }
    },
    async skip(maxBytes) {
      piece = ''
      begun = []
      for (let bytes = 0; !isAtEnd;) {
        if (bytes > maxBytes) return false
        const { value, done } = await reader.read()
        isAtEnd = done
        bytes += value?.byteLength ?? 0
      }
      return true
    },
    cancel: () => reader.cancel(),
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
