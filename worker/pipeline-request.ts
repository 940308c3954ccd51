/** A client's pipeline, read only as far as the gateway must understand it. Pure. */
import { sliceLastElement, sliceMembers } from './envelope.ts'
import { invalidRequest } from './problem.ts'

export interface PipelineRequest {
  baton: string | null
  /** The member `requests`, as the client wrote it. */
  requests: string
  /** Whether the last request is `close`, so that no stream stays open. */
  endsWithClose: boolean
}

/**
 * The requests are not decoded, which a stranger could make cost twenty times their size in memory; the database checks
 * them.
 *
 * @throws {Problem} `invalid_request` for anything but a pipeline
 */
export function parsePipeline(body: string): PipelineRequest {
  const members = orRefuse(
    () => sliceMembers(body),
    '',
    'The body is not a JSON object with each member once',
  )
  const baton = orRefuse(() => readBaton(members.get('baton')), 'baton', 'must be a string or null')
  const requests = members.get('requests')
  if (requests === undefined) throw invalidRequest([{ field: 'requests', detail: 'is missing' }])
  const last = orRefuse(
    () => readType(sliceLastElement(requests)),
    'requests',
    'must be an array of requests',
  )
  return { baton, requests, endsWithClose: last === 'close' }
}

function readBaton(text: string | undefined): string | null {
  const baton: unknown = JSON.parse(text ?? 'null')
  if (baton !== null && typeof baton !== 'string') throw new TypeError('not a baton')
  return baton
}

function readType(request: string | undefined): unknown {
  // A request may be as long as its SQL; its members are skipped rather than decoded as well.
  return request === undefined ? undefined : JSON.parse(sliceMembers(request).get('type') ?? 'null')
}

function orRefuse<T>(read: () => T, field: string, detail: string): T {
  try {
    return read()
  } catch {
    throw invalidRequest([{ field, detail }])
  }
}
