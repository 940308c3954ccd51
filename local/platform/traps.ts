/** Ways in which the real service surprises its clients, each an option of the local Turso. */

export interface Traps {
  /**
   * How long a new database is not served yet, in milliseconds, and looks as if it did not exist: up to some seconds
   * on the real service. Default 0.
   */
  createToServeGapMs?: number
  /**
   * How the creation of a database that exists is refused: 400 `database with same name already exists`, as the
   * service does since July 2026, or 409 `database with name [x] already exists`, as it did before and documents
   * still. Default 400.
   */
  duplicateCreate?: 400 | 409
  /**
   * `aws` refuses `size_limit`, `allow_attach`, and permissions in the body of a token request, even empty ones, and
   * rotates databases one by one. `legacy` accepts them, and rotating one database rotates its whole group. Size
   * limits and ATTACH are kept but not enforced, permissions are enforced for reading and writing only. Default `aws`.
   */
  generation?: 'aws' | 'legacy'
  /** `GET databases` shows this many databases and says nothing of a next page. Default: pages as they are. */
  listCutAt?: number
  /** The management API answers 429 after so many requests in a window, `Retry-After` only if asked for. Default: none. */
  rateLimit?: { requests: number; windowMs: number; retryAfter?: boolean }
  /** An organization may have so many databases; creating more is answered with `status`. Default: as the plan says. */
  databaseQuota?: { databases: number; status: 402 | 403 }
  /** How long the name of a deleted database cannot be used again, in milliseconds: 422. Default 0. */
  recreateRefusedMs?: number
}

/** Throws `TypeError` for a trap that makes no sense. */
export function checkTraps(traps: Traps): void {
  const { createToServeGapMs = 0, recreateRefusedMs = 0, listCutAt = 0, rateLimit, databaseQuota } = traps
  checkAmount('traps.createToServeGapMs', createToServeGapMs)
  checkAmount('traps.recreateRefusedMs', recreateRefusedMs)
  checkAmount('traps.listCutAt', listCutAt)
  if (rateLimit) {
    checkAmount('traps.rateLimit.requests', rateLimit.requests)
    checkAmount('traps.rateLimit.windowMs', rateLimit.windowMs)
  }
  if (databaseQuota) checkAmount('traps.databaseQuota.databases', databaseQuota.databases)
  checkOneOf('traps.databaseQuota.status', databaseQuota?.status ?? 402, [402, 403])
  checkOneOf('traps.duplicateCreate', traps.duplicateCreate ?? 400, [400, 409])
  checkOneOf('traps.generation', traps.generation ?? 'aws', ['aws', 'legacy'])
}

function checkAmount(name: string, value: number): void {
  if (!Number.isFinite(value) || value < 0)
    throw new TypeError(`"${name}" must be a number that is not negative`)
}

function checkOneOf(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) throw new TypeError(`"${name}" must be one of ${allowed.join(', ')}`)
}
