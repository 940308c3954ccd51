/** Cursors: opaque to clients, for us the key after which the next page begins. */
import { HttpFailure } from '../errors.ts'
import type { Page } from '../storage/records.ts'
import type { WireCursor } from './wire.ts'

/** Where a page begins. Throws `HttpFailure` 400 for a cursor that is none. */
export function readCursor(query: URLSearchParams): string {
  const cursor = query.get('cursor')
  if (cursor === null || cursor === '') return ''
  try {
    const { v } = JSON.parse(Buffer.from(cursor, 'base64').toString()) as { v: unknown }
    if (typeof v === 'string' && !v.includes('\0')) return v
  } catch {
    // Not one of ours.
  }
  throw new HttpFailure(400, 'invalid cursor')
}

export function toWireCursor({ next }: Page<unknown>): WireCursor {
  return { next: next === undefined ? null : Buffer.from(JSON.stringify({ v: next })).toString('base64') }
}
