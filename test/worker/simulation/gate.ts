/** What `worker/turso/gate.ts` does before and after each call to the Platform API, with the shipped pace of all tenants. */
import { DEFAULT_RETRY_AFTER_MS } from '../../../worker/limits.ts'
import { admit, recover, refuse, throttledForMs, UNHURRIED, type Pace } from '../../../worker/turso/pace.ts'
import type { Random } from './random.ts'
import { failed, type SimulatedTurso } from './turso.ts'

export interface GateWorld {
  random: Random
  clock: () => number
  after: (ms: number, action: () => void) => void
}

export function createGate(
  { random, clock, after }: GateWorld,
  send: SimulatedTurso['send'],
  /** How many of the isolates know what others were told, and ask first. */
  knowing: number,
): SimulatedTurso['send'] {
  let pace: Pace = UNHURRIED

  return (effect, token, answer) => {
    if (effect.kind === 'migrate') return send(effect, token, answer)
    const transmit = (isProbe: boolean): void => {
      const sentAt = clock()
      send(effect, token, (result, minted, status) => {
        const now = clock()
        const retryAfterMs = result.kind === 'failed' ? result.retryAfterMs : null
        if (status === 401) {
          pace = refuse(pace, { kind: 'unauthorized', sentAt, retryAfterMs }, now)
          const waitMs = Math.max(DEFAULT_RETRY_AFTER_MS, (pace.breaker?.nextProbeAt ?? now) - now)
          return answer(failed('held', true, waitMs), null, status)
        }
        if (status === 429) pace = refuse(pace, { kind: 'too_many', sentAt, retryAfterMs }, now)
        else if (isProbe && status < 500) pace = recover(pace)
        answer(result, minted, status)
      })
    }
    if (throttledForMs(pace, clock()) === 0 || !random.chance(knowing)) return transmit(false)
    const asked = admit(pace, clock())
    pace = asked.pace
    const { admission } = asked
    if (admission.kind === 'hold') after(1, () => answer(failed('held', true, admission.waitMs), null, 429))
    else after(admission.waitMs, () => transmit(admission.isProbe))
  }
}
