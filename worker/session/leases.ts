/** Who of a tenant's sessions holds a stream of its database: leases, which end by themselves. Pure. */

export interface Lease {
  /** Of the object that holds the stream, and for a socket behind a slash which of its streams. */
  id: string
  kind: 'http' | 'binding' | 'websocket'
  /** Where the object was wished for. */
  hint: string | null
  since: number
  until: number
}

export type LeaseRequest = Omit<Lease, 'since' | 'until'>

export type Admission =
  /** Good until then, and to be asked for again before. */
  | { kind: 'admitted'; until: number }
  | { kind: 'full'; limit: number }
  /** An operator has the tenant's sessions end; others may begin from then on. */
  | { kind: 'draining'; until: number }

export interface LeaseRules {
  limit: number
  /** Whoever asks can do without a place: half of them are kept for those who cannot. */
  isDispensable: boolean
  leaseMs: number
  /** `null`: nobody drains. */
  drainUntil: number | null
}

/** Whoever has a lease may go on with it; what a newcomer is told depends on the others. Forgets those that are over. */
export function admit(
  leases: Map<string, Lease>,
  request: LeaseRequest,
  { limit, isDispensable, leaseMs, drainUntil }: LeaseRules,
  now: number,
): Admission {
  forgetEnded(leases, now)
  const known = leases.get(request.id)
  if (known === undefined) {
    if (drainUntil !== null && now < drainUntil) return { kind: 'draining', until: drainUntil }
    if (leases.size >= (isDispensable ? limit / 2 : limit)) return { kind: 'full', limit }
  }
  const until = now + leaseMs
  leases.set(request.id, { ...request, since: known?.since ?? now, until })
  return { kind: 'admitted', until }
}

/** @returns those that are over */
export function forgetEnded(leases: Map<string, Lease>, now: number): string[] {
  const ended = [...leases.values()].filter(({ until }) => now >= until).map(({ id }) => id)
  for (const id of ended) leases.delete(id)
  return ended
}
