/** What a resource needs to make one call, and how it reads the answer. */
import { ProtocolError } from '../errors.ts'
import type { CallOptions } from '../http/watch.ts'

export interface PlatformCallOptions extends CallOptions {
  /** Another organization than the client's. */
  organization?: string | undefined
}

/** Sends one request to the Platform API and resolves with the parsed body, `{}` when it was empty. */
export type PlatformCall = (
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  request: {
    query?: Record<string, string | undefined>
    body?: unknown
    options: PlatformCallOptions | undefined
  },
) => Promise<unknown>

/**
 * The named member of an answer, which the API wraps in an object.
 *
 * @throws {ProtocolError} when it is not there
 */
export function unwrap(answer: unknown, member: string): Record<string, unknown> {
  const value = (answer as Record<string, unknown> | null)?.[member]
  if (typeof value !== 'object' || value === null)
    throw new ProtocolError(`The Platform API answered without "${member}"`)
  return value as Record<string, unknown>
}

/**
 * A string under the first of several spellings: the API's casing is mixed, and has changed.
 *
 * @throws {ProtocolError} when none is there
 */
export function requireString(record: Record<string, unknown>, ...spellings: string[]): string {
  for (const spelling of spellings) {
    const value = record[spelling]
    if (typeof value === 'string' && value !== '') return value
  }
  throw new ProtocolError(`The Platform API answered without "${spellings[0]}"`)
}
