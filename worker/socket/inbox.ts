/**
 * What sockets have received and are not done with. Nobody can stop reading from a socket, so there is no waiting for room:
 * what comes on top of what all sockets of an isolate may hold together is refused, and not kept.
 */

export interface Inbox {
  /** @returns `null` when there is no room */
  hold: (bytes: number) => Held | null
}

export interface Held {
  /** @returns `false`, and what is held stays as it was, when there is no room */
  resize: (bytes: number) => boolean
  /** May be called again. */
  release: () => void
}

export interface InboxLimits {
  /** All together; a single one that is larger may be held alone. */
  bytes: number
  /** Of what is no larger than this, each inbox holds as much beside the others, whatever they hold. */
  ownBytes: number
  /** An object may be gone in the middle, and gives nothing back. So what an inbox has not changed for so long is forgotten. */
  lastsMs: number
}

/** @returns opens the inbox of another socket */
export function createInboxes(
  { bytes: size, ownBytes, lastsMs }: InboxLimits,
  now: () => number = () => Date.now(),
): () => Inbox {
  const shares = new Set<{ bytes: number; until: number }>()

  function takenBesides(own: object): number {
    let bytes = 0
    for (const share of shares) {
      if (share.until <= now()) shares.delete(share)
      else if (share !== own) bytes += share.bytes
    }
    return bytes
  }

  return () => {
    const share = { bytes: 0, until: 0 }
    const held = { small: 0, large: 0 }
    const kindOf = (bytes: number): 'small' | 'large' => (bytes <= ownBytes ? 'small' : 'large')

    function change(from: number, to: number): boolean {
      const next = { ...held }
      next[kindOf(from)] -= from
      next[kindOf(to)] += to
      const bytes = next.large + Math.max(0, next.small - ownBytes)
      if (bytes > share.bytes) {
        const others = takenBesides(share)
        if (others + bytes > size && others + share.bytes > 0) return false
      }
      Object.assign(held, next)
      Object.assign(share, { bytes, until: now() + lastsMs })
      if (bytes > 0) shares.add(share)
      else shares.delete(share)
      return true
    }

    return {
      hold(bytes) {
        if (!change(0, bytes)) return null
        let current = bytes
        const resize = (next: number): boolean => {
          const isDone = change(current, next)
          if (isDone) current = next
          return isDone
        }
        return { resize, release: () => void resize(0) }
      },
    }
  }
}

/** Bytes of a message in memory: V8 takes a byte for each character, or two if one of them needs it. */
export const memoryOf = (message: string | ArrayBuffer): number =>
  typeof message !== 'string'
    ? message.byteLength
    : /[^\u0000-\u00ff]/.test(message) // oxlint-disable-line no-control-regex -- the first that takes one byte
      ? 2 * message.length
      : message.length
