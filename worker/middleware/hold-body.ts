/**
 * Behind it the body of a request to the gateway is whole, and has room. What is large is read only for whom the database
 * lets in: strangers would take all the room there is.
 */
import { createMiddleware } from 'hono/factory'
import type { AppEnvironment } from '../environment.ts'
import { askForEntry } from '../gateway/pass-through.ts'
import { takeBody } from '../http/request-body.ts'
import { MAX_PIPELINE_BYTES } from '../limits.ts'
import { bodies } from '../memory/rooms.ts'
import { destinationOf } from './find-database.ts'

export const holdBody = createMiddleware<AppEnvironment>(async function holdBody(c, next) {
  const { raw } = c.req
  const upstream = c.get('upstream')
  const claim = bodies.claim()
  let refusal: Response | null = null

  async function take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (!upstream.isTokenAccepted) refusal = await askForEntry(destinationOf(c))
    if (refusal !== null) throw new Error('the token is not let in')
    upstream.isTokenAccepted = true
    await claim.take(bytes, signal)
  }

  // The runtime runs nothing more of a request whose client has hung up.
  raw.signal.addEventListener('abort', claim.giveBack)
  try {
    c.set('body', await takeBody(raw, { maxBytes: MAX_PIPELINE_BYTES, claim: { ...claim, take } }))
    c.set('bodyClaim', claim)
    await next()
    return undefined
  } catch (error) {
    if (refusal !== null) return refusal
    throw error
  } finally {
    claim.giveBack()
    raw.signal.removeEventListener('abort', claim.giveBack)
  }
})
