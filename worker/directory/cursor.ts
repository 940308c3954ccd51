/** Where the next page of a list begins, as its reader keeps it. Pure. */
import { decodeBase64Url, encodeBase64Url } from '../base64url.ts'
import { invalidRequest } from '../http/problem.ts'
import type { Argument } from './page.ts'

/** @param list which list it is for: a cursor of another one is refused */
export function sealCursor(list: string, key: Argument | null): string | null {
  if (key === null) return null
  return encodeBase64Url(new TextEncoder().encode(JSON.stringify([list, key])))
}

/** @throws {Problem} `invalid_request` naming `cursor` */
export function openCursor(list: string, cursor: string | undefined): Argument | null {
  if (cursor === undefined) return null
  const bytes = decodeBase64Url(cursor)
  try {
    const [of, key] = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array())) as unknown[]
    if (of === list && (typeof key === 'string' || typeof key === 'number')) return key
  } catch {
    // Not one of ours, as below.
  }
  throw invalidRequest([{ field: 'cursor', detail: 'must be the next_cursor of this very list' }])
}
