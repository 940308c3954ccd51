/** Records that earlier versions of the Worker have stored, in the shape of this one. Pure. */
import { OPEN } from '../saga/access.ts'
import type { Orphan } from '../saga/state.ts'
import { beginSignup, type TenantRecord } from './tenant.ts'

/** Before there was a saga: no `version`, and nobody but the next signup of the same id went on with an unfinished one. */
export interface FirstTenantRecord {
  version?: undefined
  id: string
  name: string | null
  metadata: Record<string, unknown>
  group: string
  location: string
  nonce: string
  status: 'provisioning' | 'active'
  step: 'create_database' | 'create_token' | 'migrate'
  attempts: number
  mayHaveDatabase: boolean
  databaseName: string
  leftovers: string[]
  databaseId: string | null
  hostname: string | null
  schemaVersion: number
  createdAt: string
  fingerprint: string
  idempotencyKeys: string[]
}

/** Before a tenant could be suspended, or made from a template. */
export type SecondTenantRecord = Omit<ThirdTenantRecord, 'version' | 'suspension' | 'access' | 'template'> & {
  version: 2
}

/** Before a database was deleted only if it was proven to be of its signup. */
export type ThirdTenantRecord = Omit<TenantRecord, 'version' | 'isProven' | 'orphans'> & {
  version: 3
  orphans: Omit<Orphan, 'unproven'>[]
}

export type StoredRecord = TenantRecord | ThirdTenantRecord | SecondTenantRecord | FirstTenantRecord

/** @throws {Error} for a record of a later version: this one must not write over what it does not understand */
export function readRecord(stored: StoredRecord): TenantRecord {
  if (stored.version === 4) return stored
  if (stored.version === 3) return withProof(stored)
  if (stored.version === 2)
    return withProof({ ...stored, version: 3, suspension: null, access: OPEN, template: null })
  if (stored.version !== undefined) throw new Error('The tenant was stored by a later version of the Worker')
  const { nonce, databaseName, status, step, databaseId, hostname, schemaVersion, createdAt } = stored
  const since = Date.parse(createdAt)
  const orphan = (name: string): Orphan => ({
    name,
    since,
    attempts: 0,
    retryAt: since,
    mayAppear: false,
    absences: 0,
    unproven: null,
  })
  return {
    ...beginSignup({ ...stored, template: null }, { nonce, databaseName }, undefined, since),
    status,
    step,
    mayAppear: stored.mayHaveDatabase && databaseId === null,
    mayHaveSchema: step === 'migrate',
    isProven: databaseId !== null,
    databaseId,
    hostname,
    schemaVersion,
    orphans: stored.leftovers.map(orphan),
    isHandedOut: status === 'active',
  }
}

/** What was known to be the tenant's then, by its name, still is. */
function withProof(stored: ThirdTenantRecord): TenantRecord {
  const orphans = stored.orphans.map((orphan) => ({ ...orphan, unproven: null }))
  return { ...stored, version: 4, isProven: stored.databaseId !== null, orphans }
}
