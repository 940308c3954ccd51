/**
 * The entries of a cursor, out of the body in which a database sends them, a few at a time. Read only when the client
 * asks, and no further than to the end of the piece in which the last of them came.
 */
import { sliceMembers } from '../hrana/envelope.ts'
import { MAX_CURSOR_LINE_BYTES, MAX_CURSOR_MESSAGE_CHARACTERS, MAX_SOCKET_JSON_DEPTH } from '../limits.ts'
import { joinBytes } from '../memory/bytes.ts'
import type { Claim } from '../memory/room.ts'
import { checkJson } from './json.ts'

const NEWLINE = 10

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

/**
 * @param body a line for each entry, behind the first line, which is the cursor's head
 * @param claim of the room for answers: has a place while a line is read that is larger than a message
 */
export function readEntries(body: ReadableStream<Uint8Array>, claim: Claim): EntryReader {
  const reader = body.getReader()
  const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
  const given = new AbortController()
  /** The line that has come in several pieces, and then those that came whole, of which what is before `at` has been taken. */
  let first: string | undefined
  let lines = ''
  let at = 0
  /** Of the next line what has come of it. Bytes: as a text it may be twice as large, and would be copied with each piece. */
  let begun: Uint8Array[] = []
  let begunBytes = 0
  let isAtEnd = false
  let isInStep = false

  /** @returns `undefined` when there is none left */
  async function nextLine(): Promise<string | undefined> {
    while (first === undefined && at === lines.length && !isAtEnd) await readOn()
    if (first !== undefined) {
      const line = first
      first = undefined
      return line
    }
    const end = lines.indexOf('\n', at)
    if (end !== -1) {
      const line = lines.slice(at, end)
      at = end + 1
      return line
    }
    const rest = decoder.decode(joinBytes(begun.splice(0)))
    if (rest === '') return undefined
    // A row that was cut off may end as one that was not.
    try {
      checkJson(rest, MAX_SOCKET_JSON_DEPTH)
    } catch {
      throw new BrokenCursorError('its last line is cut off')
    }
    return rest
  }

  async function readOn(): Promise<void> {
    const { value, done } = await reader.read()
    isAtEnd = done
    if (done) return
    let from = 0
    const end = value.indexOf(NEWLINE)
    if (end !== -1 && begun.length > 0) {
      first = decoder.decode(joinBytes([...begun.splice(0), value.subarray(0, end)]))
      begunBytes = 0
      from = end + 1
    }
    const rest = Math.max(from, value.lastIndexOf(NEWLINE) + 1)
    lines = decoder.decode(value.subarray(from, rest))
    at = 0
    if (rest < value.length) await begin(value.subarray(rest))
  }

  async function begin(piece: Uint8Array): Promise<void> {
    begun.push(piece)
    const isLarge = begunBytes > MAX_CURSOR_MESSAGE_CHARACTERS
    begunBytes += piece.length
    if (begunBytes > MAX_CURSOR_LINE_BYTES)
      throw new BrokenCursorError(`a line of more than ${MAX_CURSOR_LINE_BYTES} bytes`)
    if (!isLarge && begunBytes > MAX_CURSOR_MESSAGE_CHARACTERS)
      await claim.take(MAX_CURSOR_LINE_BYTES, given.signal)
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

  async function readUpTo(maxCount: number, maxCharacters: number): Promise<Entries> {
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
  }

  return {
    async read(maxCount, maxCharacters) {
      try {
        return await readUpTo(maxCount, maxCharacters)
      } finally {
        // In a moment it is on its way.
        claim.giveBack()
      }
    },
    async skip(maxBytes) {
      first = undefined
      lines = ''
      begun = []
      for (let bytes = 0; !isAtEnd;) {
        if (bytes > maxBytes) return false
        const { value, done } = await reader.read()
        isAtEnd = done
        bytes += value?.byteLength ?? 0
      }
      return true
    },
    async cancel() {
      given.abort()
      await reader.cancel()
    },
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
