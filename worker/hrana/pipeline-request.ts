/** A client's pipeline or cursor, read only as far as the gateway must understand it. No text of it is kept. Pure. */
import { findMembers, readShortString, sliceLastElement, sliceMembers, spanOf } from './envelope.ts'
import { MAX_BATON_CHARACTERS } from '../limits.ts'
import { exactTextOf } from '../memory/bytes.ts'
import { invalidRequest } from '../http/problem.ts'

export interface PipelineRequest {
  baton: string | null
  /** The member `requests`, as the client wrote it: a part of its body. */
  requests: Uint8Array<ArrayBuffer>
  /** Whether the last request is `close`, so that no stream stays open. */
  endsWithClose: boolean
}

/** The longest type of a request that the protocol knows, with every character escaped, is well within this. */
const MAX_TYPE_CHARACTERS = 100

/**
 * The requests are not parsed, which a stranger could make cost twenty times their size in memory; the database checks
 * them.
 *
 * @throws {Problem} `invalid_request` for anything but a pipeline
 */
export function parsePipeline(body: Uint8Array<ArrayBuffer>): PipelineRequest {
  const { baton, text, value: requests } = parseBody(body, 'requests')
  if (CLOSES.test(text.slice(-CLOSE_CHARACTERS))) return { baton, requests, endsWithClose: true }
  const last = orRefuse(() => sliceLastElement(text) ?? null, 'requests', 'must be an array')
  const type = last === null ? null : orRefuse(() => readType(last), 'requests', 'must end with a request')
  return { baton, requests, endsWithClose: type === 'close' }
}

export interface CursorRequest {
  baton: string | null
  /** The member `batch`, as the client wrote it: a part of its body. */
  batch: Uint8Array<ArrayBuffer>
}

/** What every client writes at the end: what is before it is not looked at. Within a text its quotes would be escaped. */
const CLOSES = /[[,]\s*\{\s*"type"\s*:\s*"close"\s*\}\s*\]$/
const CLOSE_CHARACTERS = 100

/** @throws {Problem} `invalid_request` for anything but a cursor */
export function parseCursor(body: Uint8Array<ArrayBuffer>): CursorRequest {
  const { baton, text, value: batch } = parseBody(body, 'batch')
  if (!text.startsWith('{')) throw invalidRequest([{ field: 'batch', detail: 'must be an object' }])
  return { baton, batch }
}

function parseBody(
  body: Uint8Array<ArrayBuffer>,
  name: 'requests' | 'batch',
): { baton: string | null; text: string; value: Uint8Array<ArrayBuffer> } {
  // What is no UTF-8 would be stored as something else.
  const json = orRefuse(() => exactTextOf(body) ?? undefined, '', 'The body is not UTF-8')
  const members = orRefuse(
    () => findMembers(json, ['baton', name]),
    '',
    `The body is not a JSON object with "baton" and "${name}" once`,
  )
  const span = members.get('baton')
  const baton = orRefuse(
    () => readShortString(span && json.slice(span.start, span.end), MAX_BATON_CHARACTERS),
    'baton',
    'must be a baton or null',
  )
  const value = members.get(name)
  if (value === undefined) throw invalidRequest([{ field: name, detail: 'is missing' }])
  return { baton, text: json.slice(value.start, value.end), value: spanOf(body, json, value) }
}

function readType(request: string): string | null | undefined {
  return readShortString(sliceMembers(request, ['type']).type, MAX_TYPE_CHARACTERS)
}

function orRefuse<T>(read: () => T | undefined, field: string, detail: string): T {
  try {
    const value = read()
    if (value !== undefined) return value
  } catch {
    // Refused below.
  }
  throw invalidRequest([{ field, detail }])
}
