/**
 * Durable Object, one for the whole organisation: what Turso's refusals mean for everybody. Calls come here only after a
 * refusal and before another attempt, so that no signup that goes well ever waits for it.
 */
import { DurableObject } from 'cloudflare:workers'
import { log } from '../log.ts'
import {
  admit,
  recover,
  refuse,
  throttledForMs,
  UNHURRIED,
  type Pace,
  type RefusalReport,
  type UpstreamAdmission,
  type UpstreamState,
} from '../turso/pace.ts'

export class Upstream extends DurableObject<Env> {
  /** @returns for how long the caller, and others where it runs, must ask before they send something */
  refused({ kind, sentMsAgo, retryAfterMs }: RefusalReport): UpstreamState {
    const now = Date.now()
    const before = this.#read()
    const after = refuse(before, { kind, sentAt: now - sentMsAgo, retryAfterMs }, now)
    if (before.breaker === null && after.breaker !== null) log('error', 'platform_token_refused')
    if (after.slowedAt !== before.slowedAt)
      log('warn', 'upstream_refuses', { rate: after.rate, paused_ms: after.pausedUntil - now })
    this.#write(after)
    return this.describe()
  }

  /** May a call be sent? Whoever is told `send` sends it. */
  admit(): UpstreamAdmission {
    const now = Date.now()
    const before = this.#read()
    const { pace, admission } = admit(before, now)
    if (pace !== before) this.#write(pace)
    return { ...admission, throttledForMs: throttledForMs(pace, now) }
  }

  recovered(): void {
    log('info', 'platform_token_accepted')
    this.#write(recover(this.#read()))
  }

  describe(): UpstreamState {
    const now = Date.now()
    const pace = this.#read()
    return {
      throttledForMs: throttledForMs(pace, now),
      pausedForMs: Math.max(0, pace.pausedUntil - now, (pace.breaker?.nextProbeAt ?? now) - now),
      isTokenRefused: pace.breaker !== null,
    }
  }

  #read(): Pace {
    return this.ctx.storage.kv.get<Pace>('pace') ?? UNHURRIED
  }

  #write(pace: Pace): void {
    this.ctx.storage.kv.put('pace', pace)
  }
}
