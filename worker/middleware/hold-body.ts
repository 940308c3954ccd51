/**
 * Behind it the body of a request to the gateway is whole, and has room. What is large is read only for whom the database
 * lets in: strangers would take all the room there is.
 */
import { createMiddleware } from 'hono/factory'
import type { AppEnvironment } from '../environment.ts'
import { askForEntry } from '../gateway/pass-through.ts'
import { takeBody } from '../http/request-body.ts'
import { MAX_PIPELINE_BYTES } from '../limits.ts'
import { answers, bodies } from '../memory/rooms.ts'
import { destinationOf } from './find-database.ts'

export const holdBody = createMiddleware<AppEnvironment>(async function holdBody(c, next) {
  const { raw } = c.req
  const upstream = c.get('upstream')
  // The runtime runs nothing more of a request whose client has hung up.
  const claim = bodies.claim(raw.signal)
  let refusal: Response | null = null

  async function take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (!upstream.isTokenAccepted) refusal = await askForEntry(destinationOf(c), answers.claim(raw.signal))
    if (refusal !== null) throw new Error('the token is not let in')
    upstream.isTokenAccepted = true
    await claim.take(bytes, signal)
  }

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
  }
})
