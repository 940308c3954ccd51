/** A client's pipeline or cursor, read only as far as the gateway must understand it. Pure. */
import { readShortString, sliceLastElement, sliceMembers } from './envelope.ts'
import { MAX_BATON_CHARACTERS } from '../limits.ts'
import { invalidRequest } from '../http/problem.ts'

export interface PipelineRequest {
  baton: string | null
  /** The member `requests`, as the client wrote it. */
  requests: string
  /** Whether the last request is `close`, so that no stream stays open. */
  endsWithClose: boolean
}

/**
 * A body's text, with a byte order mark if it has one. What is no UTF-8 would be stored as something else.
 *
 * @throws {Problem} `invalid_request`
 */
export function decodeBody(body: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    throw invalidRequest([{ field: '', detail: 'The body is not UTF-8' }])
  }
}

/** The longest type of a request that the protocol knows, with every character escaped, is well within this. */
const MAX_TYPE_CHARACTERS = 100

/**
 * The requests are not decoded, which a stranger could make cost twenty times their size in memory; the database checks
 * them.
 *
 * @throws {Problem} `invalid_request` for anything but a pipeline
 */
export function parsePipeline(body: string): PipelineRequest {
  const { baton, value: requests } = parseBody(body, 'requests')
  const last = orRefuse(() => sliceLastElement(requests) ?? null, 'requests', 'must be an array')
  const type = last === null ? null : orRefuse(() => readType(last), 'requests', 'must end with a request')
  return { baton, requests, endsWithClose: type === 'close' }
}

export interface CursorRequest {
  baton: string | null
  /** The member `batch`, as the client wrote it. */
  batch: string
}

/** @throws {Problem} `invalid_request` for anything but a cursor */
export function parseCursor(body: string): CursorRequest {
  const { baton, value: batch } = parseBody(body, 'batch')
  if (!batch.startsWith('{')) throw invalidRequest([{ field: 'batch', detail: 'must be an object' }])
  return { baton, batch }
}

function parseBody(body: string, name: 'requests' | 'batch'): { baton: string | null; value: string } {
  const members = orRefuse(
    () => sliceMembers(body, ['baton', name]),
    '',
    `The body is not a JSON object with "baton" and "${name}" once`,
  )
  const baton = orRefuse(
    () => readShortString(members.baton, MAX_BATON_CHARACTERS),
    'baton',
    'must be a baton or null',
  )
  const value = members[name]
  if (value === undefined) throw invalidRequest([{ field: name, detail: 'is missing' }])
  return { baton, value }
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
