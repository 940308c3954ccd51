/** A bad status → the error that says what to do about it. */
import { HttpError, type TursoErrorCode } from '../errors.ts'
import { MAX_QUOTED_CHARACTERS, MAX_RETRY_AFTER_MS } from '../limits.ts'
import type { FetchResponse } from './fetch.ts'

/** @param secrets what a server may echo, and an error must not say */
export function refusal(
  what: string,
  { status, headers }: FetchResponse,
  text: string,
  ...secrets: (string | undefined)[]
): HttpError {
  const words = quote(text, secrets)
  const explanation = status >= 300 && status < 400 ? 'a redirect, which is never followed' : words
  return new HttpError(
    codeFor(status, words),
    `${what} answered ${status}${explanation && `: ${explanation}`}`,
    {
      status,
      serverMessage: words,
      requestId: headers.get('x-request-id') ?? headers.get('cf-ray'),
      retryAfterMs: retryAfter(headers.get('retry-after')),
    },
  )
}

const CODES: Readonly<Record<number, TursoErrorCode>> = {
  401: 'unauthorized',
  402: 'plan_limit',
  403: 'forbidden',
  404: 'not_found',
  408: 'unavailable',
  409: 'already_exists',
  429: 'rate_limited',
}

/**
 * "Already exists" has been 409 and 400 (turso-docs#409), and "not supported" is a 400 with those words, so the
 * server's text decides where the status does not.
 */
function codeFor(status: number, words: string): TursoErrorCode {
  const code = CODES[status]
  if (code) return code
  // A database that its owner or its quota has blocked says so with a 500.
  if (status === 500 && /\bblocked\b/i.test(words)) return 'forbidden'
  if (status >= 500) return 'unavailable'
  if (status < 400) return 'protocol'
  if (status === 400 && /already exists/i.test(words)) return 'already_exists'
  return /not supported/i.test(words) ? 'unsupported' : 'invalid_request'
}

/** Turso says `{"error": …}`, sqld also `{"message": …}` or plain text, a proxy in between an HTML page. */
function quote(text: string, secrets: readonly (string | undefined)[]): string {
  let words = text.trim()
  try {
    const body = JSON.parse(words) as { error?: unknown; message?: unknown } | null
    const said = body?.error ?? body?.message
    if (said !== undefined) words = typeof said === 'string' ? said : JSON.stringify(said)
  } catch {
    if (words.startsWith('<')) words = words.replaceAll(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
    words = words.replaceAll(/\s+/g, ' ').trim()
  }
  // After JSON's escapes are read, and before it is cut, or a secret across the cut would stay in part.
  words = masked(words, secrets)
  return words.length > MAX_QUOTED_CHARACTERS ? `${words.slice(0, MAX_QUOTED_CHARACTERS - 1)}…` : words
}

/** The same without secrets, whoever quotes them. */
export function masked(words: string, secrets: readonly (string | undefined)[]): string {
  return secrets.reduce<string>(
    (text, secret) => (secret ? text.replaceAll(secret, '[secret]') : text),
    words,
  )
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). */
function retryAfter(header: string | null): number | null {
  if (!header?.trim()) return null
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS)
}
