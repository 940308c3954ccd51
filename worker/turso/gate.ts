/**
 * What every call to the Platform API goes through: the first ones at once, and after a refusal only when the
 * organisation's {@link PaceKeeper} lets them.
 */
import type { Fetch } from '../../src/index.ts'
import { answerWithin } from '../deadline.ts'
import { DEFAULT_RETRY_AFTER_MS, OBJECT_CALL_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import type { RefusalReport, UpstreamAdmission, UpstreamState } from './pace.ts'

/** Where all tenants' calls are paced together: a Durable Object. */
export interface PaceKeeper {
  admit: () => Promise<UpstreamAdmission>
  refused: (refusal: RefusalReport) => Promise<UpstreamState>
  recovered: () => Promise<void>
}

export interface Gate {
  fetch: Fetch
  /** Of the latest call: how long everybody waits, for nothing that its tenant could help, and for what. */
  held: () => Held | null
}

export interface Held {
  forMs: number
  /** `null`: the call was sent, and its answer says it. */
  why: string | null
}

/** Until when whoever runs in this isolate asks first: somebody here has met a refusal. */
let throttledUntil = -Infinity

/** For tests: as in a new isolate. */
export function forgetThrottling(): void {
  throttledUntil = -Infinity
}

/**
 * For one run of calls, one after the other.
 *
 * @param fetch gives only Turso's own refusals
 * @param isRetry whether something failed before this run, so that already its first call asks
 */
export function createGate(upstream: PaceKeeper, fetch: Fetch, isRetry: boolean): Gate {
  let mustAsk = isRetry
  let held: Held | null = null

  async function ask(): Promise<UpstreamAdmission> {
    const unknown = { kind: 'send', waitMs: 0, isProbe: false, throttledForMs: 0 } as const
    const admission = await orElse<UpstreamAdmission>(unknown, async () => await upstream.admit())
    throttledUntil = Date.now() + admission.throttledForMs
    return admission
  }

  async function report(refusal: RefusalReport): Promise<UpstreamState> {
    const unknown: UpstreamState = { throttledForMs: 0, pausedForMs: 0, isTokenRefused: false }
    const state = await orElse(unknown, async () => await upstream.refused(refusal))
    throttledUntil = Date.now() + state.throttledForMs
    return state
  }

  return {
    held: () => held,
    fetch: async (url, init) => {
      held = null
      let isProbe = false
      if (mustAsk || Date.now() < throttledUntil) {
        const admission = await ask()
        if (admission.kind === 'hold') {
          const why = admission.isTokenRefused
            ? 'Turso does not accept the platform token, and was not asked again'
            : 'Turso has refused too many requests, and was not sent another one'
          held = { forMs: admission.waitMs, why }
          return refusalWith(why, admission.waitMs)
        }
        isProbe = admission.isProbe
        if (admission.waitMs > 0) await scheduler.wait(admission.waitMs, { signal: init.signal })
      }
      mustAsk = true
      const sentAt = Date.now()
      const response = await fetch(url, init)
      const { status } = response
      const retryAfterMs = readRetryAfter(response.headers.get('retry-after'))
      const sentMsAgo = Date.now() - sentAt
      if (status === 401) {
        const { pausedForMs } = await report({ kind: 'unauthorized', sentMsAgo, retryAfterMs })
        held = { forMs: Math.max(DEFAULT_RETRY_AFTER_MS, pausedForMs), why: null }
      } else if (status === 429) {
        await report({ kind: 'too_many', sentMsAgo, retryAfterMs })
      } else if (isProbe && status < 500) await orElse(undefined, async () => await upstream.recovered())
      mustAsk = status >= 400
      return response
    },
  }
}

/** As Turso would refuse it, so that whoever calls needs no other case for it. */
function refusalWith(error: string, waitMs: number): Response {
  const headers = { 'retry-after': String(Math.ceil(waitMs / 1000)) }
  return Response.json({ error }, { status: 429, headers })
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). */
function readRetryAfter(header: string | null): number | null {
  if (header === null || header.trim() === '') return null
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}

/** Without the object, or its answer, everybody goes on as if nothing were known: it must not be what a signup fails for. */
async function orElse<T>(fallback: T, ask: () => Promise<T>): Promise<T> {
  try {
    return await answerWithin(OBJECT_CALL_MS, ask())
  } catch (error) {
    log('error', 'upstream_object_failed', { detail: errorText(error) })
    return fallback
  }
}
