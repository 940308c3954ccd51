/** How long a request that is on its way is waited for. */
import type { Flight } from './exchange.ts'

export interface FlightController {
  flight: Flight
  /** Its stream has ended: nothing more is sent, and an answer is waited for so long. */
  end: (patienceMs: number) => void
  /** It has come to an end by itself. */
  ended: () => void
}

export function createFlight(): FlightController {
  const over = new AbortController()
  const cut = new AbortController()
  let timer: ReturnType<typeof setTimeout> | null = null
  return {
    flight: { over: over.signal, cut: cut.signal },
    end(patienceMs) {
      const reason = new Error('the stream has ended')
      over.abort(reason)
      if (patienceMs === 0) cut.abort(reason)
      else timer ??= setTimeout(() => cut.abort(reason), patienceMs)
    },
    ended() {
      if (timer !== null) clearTimeout(timer)
    },
  }
}
