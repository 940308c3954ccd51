/**
 * Room for what is large: an isolate has 128 MB for all that runs in it, whatever each request may have for itself. Who
 * finds none waits, in order; who has waited too long is told to come again.
 *
 * A claim has at most one place, and whoever waits in one room has none in a later one: bodies of requests come first,
 * then requests of a session, then answers. So nobody waits for each other.
 */

/** No room came free in time. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
}

export interface Claim {
  /**
   * A place instead of the one it had; one that is larger than the room is all of it.
   *
   * @param signal aborts the wait
   * @throws {NoRoomError} and the signal's reason, or its holder's
   */
  take: (bytes: number, signal?: AbortSignal) => Promise<void>
  /** Gives back what turned out not to be needed. */
  shrink: (bytes: number) => void
  /** All of it; may be called again. */
  giveBack: () => void
}

export interface Room {
  /** @param holder gives back all of it when it aborts, and takes nothing any more */
  claim: (holder?: AbortSignal) => Claim
  /** Bytes. */
  taken: () => number
}

export interface RoomOptions {
  bytes: number
  /** For how long somebody waits at most. */
  waitMs: number
  /**
   * The runtime may end a request in the middle and run nothing of what follows. So its place is another's after this,
   * which is longer than any is needed.
   */
  lastsMs: number
  now?: () => number
  sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>
}

/** How often who waits looks for himself, also for what was left by those whose request has ended. */
const LOOK_MS = 1_000

export function createRoom({
  bytes: size,
  waitMs,
  lastsMs,
  now = () => Date.now(),
  sleep = (ms, signal) => scheduler.wait(ms, signal && { signal }),
}: RoomOptions): Room {
  const places = new Set<{ bytes: number; until: number }>()
  /** In order. */
  const waiting = new Set<{ look: () => void; until: number }>()

  function taken(): number {
    let bytes = 0
    for (const place of places) {
      if (place.until <= now()) places.delete(place)
      else bytes += place.bytes
    }
    return bytes
  }

  function first(): { look: () => void } | undefined {
    for (const waiter of waiting) {
      if (waiter.until > now()) return waiter
      waiting.delete(waiter)
    }
    return undefined
  }

  async function wait(
    bytes: number,
    signal: AbortSignal | undefined,
    holder: AbortSignal | undefined,
  ): Promise<void> {
    const deadline = now() + waitMs
    const waiter = { look: (): void => undefined, until: Infinity }
    // At once: what follows may not run any more.
    const leave = (): void => {
      waiting.delete(waiter)
      first()?.look()
    }
    holder?.addEventListener('abort', leave)
    try {
      for (;;) {
        holder?.throwIfAborted()
        // Whoever does not look again has gone. Who comes too late to be believed waits behind the others.
        waiter.until = now() + 3 * LOOK_MS
        waiting.add(waiter)
        if (first() === waiter && taken() + bytes <= size) return
        const leftMs = deadline - now()
        if (leftMs <= 0) throw new NoRoomError(`no room for ${bytes} bytes within ${waitMs} ms`)
        const looked = new Promise<void>((resolve) => (waiter.look = resolve))
        // The timer is this request's own: the runtime takes one that only waits for others for one that hangs.
        await Promise.race([looked, sleep(Math.min(LOOK_MS, leftMs), signal ?? holder)])
      }
    } finally {
      waiting.delete(waiter)
      holder?.removeEventListener('abort', leave)
    }
  }

  function claim(holder?: AbortSignal): Claim {
    let place: { bytes: number; until: number } | null = null
    holder?.addEventListener('abort', giveBack)

    function giveBack(): void {
      if (place === null) return
      places.delete(place)
      place = null
      first()?.look()
    }

    return {
      async take(bytes, signal) {
        giveBack()
        const wanted = Math.min(bytes, size)
        signal?.throwIfAborted()
        holder?.throwIfAborted()
        try {
          if (first() !== undefined || taken() + wanted > size) await wait(wanted, signal, holder)
          place = { bytes: wanted, until: now() + lastsMs }
          places.add(place)
        } finally {
          // There may be room for the next as well.
          first()?.look()
        }
      },
      shrink(bytes) {
        if (place === null || place.bytes <= bytes) return
        place.bytes = bytes
        first()?.look()
      },
      giveBack,
    }
  }

  return { claim, taken }
}
