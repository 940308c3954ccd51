/** A request's body, taken whole or not at all: within a size, whether it announces it or not, and within a time. */
import { BODY_TIMEOUT_MS } from '../limits.ts'
import { BodyTooLargeError, contentLength, readBody } from '../memory/body.ts'
import { NoRoomError, type Claim } from '../memory/room.ts'
import { invalidRequest, Problem } from './problem.ts'

export interface TakingOptions {
  maxBytes: number
  /** From when it is read on, and again from when there is room for it, ms. */
  timeoutMs?: number | undefined
  /** Of the room that a large one needs. */
  claim?: Claim | undefined
}

/**
 * @returns an empty one for a request without
 * @throws {Problem} `unsupported_encoding`, `payload_too_large`, `request_timeout`, `overloaded`, and `invalid_request` of one
 *   that is cut off
 */
export async function takeBody(
  { headers, body, signal }: Request,
  { maxBytes, timeoutMs = BODY_TIMEOUT_MS, claim }: TakingOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  // Nothing is unpacked here, so a small body cannot become a large one.
  if (!/^(identity)?$/i.test(headers.get('content-encoding')?.trim() ?? ''))
    throw new Problem('unsupported_encoding', 'The body has a Content-Encoding; send it without', {
      headers: { 'accept-encoding': 'identity' },
    })
  if (body === null) return new Uint8Array()
  const given = new AbortController()
  const giveUp = (): void => given.abort(new Problem('request_timeout', 'The client has hung up'))
  const late = (): void =>
    given.abort(new Problem('request_timeout', `The body did not come within ${timeoutMs / 1000} seconds`))
  signal.addEventListener('abort', giveUp)
  let timer = setTimeout(late, timeoutMs)
  /** It is not the client who takes its time then. */
  async function take(bytes: number): Promise<void> {
    clearTimeout(timer)
    await claim?.take(bytes, given.signal)
    timer = setTimeout(late, timeoutMs)
  }
  try {
    const announced = contentLength(headers)
    const waiting = claim && { ...claim, take }
    return await readBody(body, { maxBytes, announced, claim: waiting, signal: given.signal })
  } catch (error) {
    if (error instanceof BodyTooLargeError)
      throw new Problem('payload_too_large', `The body has more than ${maxBytes} bytes`)
    if (error instanceof Problem || error instanceof NoRoomError) throw error
    // The runtime says so of a body whose sender has ended it too soon.
    throw invalidRequest([{ field: '', detail: 'The body ended before it was whole' }])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}
