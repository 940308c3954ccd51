/** Records that earlier versions of the Worker have stored, in the shape of this one. Pure. */
import { OPEN } from './saga/access.ts'
import type { Orphan } from './saga/state.ts'
import { beginSignup, type TenantRecord } from './tenant-record.ts'

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
export type SecondTenantRecord = Omit<TenantRecord, 'version' | 'suspension' | 'access' | 'template'> & {
  version: 2
}

export type StoredRecord = TenantRecord | SecondTenantRecord | FirstTenantRecord

/** @throws {Error} for a record of a later version: this one must not write over what it does not understand */
export function readRecord(stored: StoredRecord): TenantRecord {
  if (stored.version === 3) return stored
  if (stored.version === 2) return { ...stored, version: 3, suspension: null, access: OPEN, template: null }
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
  })
  return {
    ...beginSignup({ ...stored, template: null }, { nonce, databaseName }, undefined, since),
    status,
    step,
    mayAppear: stored.mayHaveDatabase && databaseId === null,
    mayHaveSchema: step === 'migrate',
    databaseId,
    hostname,
    schemaVersion,
    orphans: stored.leftovers.map(orphan),
    isHandedOut: status === 'active',
  }
}
