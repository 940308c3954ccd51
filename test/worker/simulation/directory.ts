/**
 * The directory of few words: what `worker/directory/publish.ts` has D1 do, over maps. A test beside the real one keeps
 * them the same.
 */
import type { AuditEntry } from '../../../worker/directory/audit.ts'
import type { Publication, Receipt } from '../../../worker/directory/outbox.ts'
import type { DirectoryRow } from '../../../worker/directory/row.ts'
import type { Random } from './random.ts'

export interface SimulatedDirectory {
  rows: Map<string, { revision: number; row: DirectoryRow; expectedBy: number | null }>
  audit: Map<string, AuditEntry>
  apply: (publication: Publication) => Receipt
}

export function createDirectory(): SimulatedDirectory {
  const rows: SimulatedDirectory['rows'] = new Map()
  const forgotten = new Map<string, number>()
  const audit: SimulatedDirectory['audit'] = new Map()
  return {
    rows,
    audit,
    apply({ tenant, revision, row, audit: entries }) {
      for (const entry of entries) {
        const repeats = Math.max(entry.repeats ?? 0, audit.get(entry.id)?.repeats ?? 0)
        audit.set(entry.id, { ...entry, repeats })
      }
      const known = rows.get(tenant)?.revision ?? 0
      const gone = forgotten.get(tenant) ?? 0
      if (row === null) {
        if (known < revision) rows.delete(tenant)
        if (gone < revision) forgotten.set(tenant, revision)
      } else {
        const { expectedBy, ...content } = row
        if (known < revision && gone < revision) rows.set(tenant, { revision, row: content, expectedBy })
        if (gone < revision) forgotten.delete(tenant)
      }
      const held = rows.get(tenant)
      const isCurrent =
        row === null
          ? forgotten.get(tenant) === revision
          : held?.revision === revision && held.row.database === row.database
      return { isCurrent, revision: Math.max(held?.revision ?? 0, forgotten.get(tenant) ?? 0) }
    },
  }
}

export interface DirectoryWorld {
  random: Random
  after: (ms: number, action: () => void) => void
  isFaulty: () => boolean
  /** Whether D1 answers nobody. */
  isDown: () => boolean
}

const LONGEST_CALL_MS = 10_000
const LATEST_MS = 60_000

/** Deliveries that get lost before and after their effect, come late, or twice. */
export function createPublisher(
  directory: SimulatedDirectory,
  { random, after, isFaulty, isDown }: DirectoryWorld,
  faultiness: number,
): (publication: Publication, settle: (receipt: Receipt | null) => void) => void {
  return (publication, settle) => {
    const ms = random.between(1, 200)
    if (isDown()) return after(ms, () => settle(null))
    if (!isFaulty() || !random.chance(faultiness))
      return after(ms, () => {
        const receipt = directory.apply(publication)
        after(random.between(0, 100), () => settle(receipt))
      })
    switch (random.pick(['lost_before', 'lost_after', 'late', 'twice'] as const)) {
      case 'lost_before':
        return after(random.pick([ms, LONGEST_CALL_MS]), () => settle(null))
      case 'lost_after':
        after(ms, () => void directory.apply(publication))
        return after(random.pick([ms + 1, LONGEST_CALL_MS]), () => settle(null))
      case 'late':
        after(random.between(ms, LATEST_MS), () => void directory.apply(publication))
        return after(random.between(1, LONGEST_CALL_MS), () => settle(null))
      case 'twice':
        after(random.between(ms, LATEST_MS), () => void directory.apply(publication))
        return after(ms, () => settle(directory.apply(publication)))
    }
  }
}
