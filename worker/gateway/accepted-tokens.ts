/**
 * Which tokens their databases have let in, as far as this isolate has seen: their sessions' places are asked for at once,
 * those of others once the database has answered. Only hashes, so that no memory has tokens in it; and none of tokens that
 * were made up.
 *
 * It decides when something is asked and nothing else: a token that is revoked is refused by its database, and forgotten then.
 */
import { sha256Hex } from '../http/idempotency.ts'
import { MAX_REMEMBERED_TOKENS } from '../limits.ts'

export interface AcceptedTokens {
  has: (fingerprint: string) => boolean
  /** What the database has made of it: whether it is accepted now. */
  learn: (fingerprint: string, isAccepted: boolean) => void
}

export const fingerprintOf = (databaseUrl: string, token: string): Promise<string> =>
  sha256Hex(`${databaseUrl}\0${token}`)

export function createAcceptedTokens(limit: number = MAX_REMEMBERED_TOKENS): AcceptedTokens {
  /** In the order of their last use, so that the first is the one to forget. */
  const fingerprints = new Set<string>()
  return {
    has: (fingerprint) => fingerprints.has(fingerprint),
    learn(fingerprint, isAccepted) {
      fingerprints.delete(fingerprint)
      if (!isAccepted) return
      const [oldest] = fingerprints
      if (fingerprints.size >= limit && oldest !== undefined) fingerprints.delete(oldest)
      fingerprints.add(fingerprint)
    },
  }
}
