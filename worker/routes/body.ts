/** The text of a request's body. */
import type { Context } from 'hono'
import type { AppEnvironment } from '../environment.ts'
import { invalidRequest } from '../http/problem.ts'

/** @throws {Problem} `invalid_request`: bytes that are no text would be kept as other characters than were sent */
export async function readText(c: Context<AppEnvironment>): Promise<string> {
  const bytes = await c.req.arrayBuffer()
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw invalidRequest([{ field: '', detail: 'The body is not UTF-8' }])
  }
}
