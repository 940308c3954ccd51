/** What the saga knows of a signup, what it asks to be done, and what it is told. Data only. */
import type { Beginning } from '../schema/migrate.ts'

/** The steps of a signup, in order. `find_database` comes in when Turso says that the database exists already. */
export type SignupStep = 'create_database' | 'find_database' | 'create_token' | 'migrate'

/** The part of a tenant's record that the saga reads and writes. Times are milliseconds since 1970. */
export interface SagaState {
  /** Of the tenant. */
  id: string
  /** Drawn once for each life of a tenant id; the database's name is derived from it. */
  nonce: string
  status: 'provisioning' | 'active' | 'suspended' | 'failed' | 'deleting'
  /** Where a signup that is not finished will go on, or where it failed. */
  step: SignupStep
  /** How often this step was tried. */
  attempts: number
  /** When the step is tried again; `null`: at once. */
  retryAt: number | null
  /** Counts the runs of the saga: one that finds a higher number than its own has been overtaken, and stops. */
  run: number
  /** The call that is under way. Who wakes up to one knows that it was interrupted. */
  inFlight: { effect: Effect['kind']; startedAt: number } | null
  databaseName: string
  group: string
  location: string
  /** Name of the database that this one is a copy of; `null`: it begins empty. */
  template: string | null
  /** Whether a call that creates the database ended in a way that does not tell: there may be one, now or later. */
  mayAppear: boolean
  /** Whether a call that applies the schema was ever begun. */
  mayHaveSchema: boolean
  /** Whether the database is known to be of this signup: its creation was answered, or it has our mark. */
  isProven: boolean
  databaseId: string | null
  hostname: string | null
  schemaVersion: number
  orphans: Orphan[]
  failure: { step: SignupStep; detail: string; isInvalid: boolean } | null
  /** Whether, since when (ISO 8601) and why the database is to be closed, by an operator's word. */
  suspension: { since: string; reason: string | null } | null
  access: Access
  /** When a failed signup that has left nothing behind is forgotten. */
  forgetAt: number | null
  /** When the database of a tenant that is `deleting` is deleted; `null`: it is one of the orphans already. */
  purgeAt: number | null
  timeline: TimelineEntry[]
}

/** Whether the database takes reads and writes, as far as is known. */
export interface Access {
  /** What the last call that was answered has made of it. */
  isBlocked: boolean
  /** Whether a call that was not answered may change it yet. */
  mayChange: boolean
  /** How often what is wanted was said since then. */
  confirmations: number
  attempts: number
  /** When it is said again; `null`: at once. */
  retryAt: number | null
}

/** A database that may be left of a signup that failed or was given up for another. Its name is never used again. */
export interface Orphan {
  name: string
  since: number
  /** How often its deletion was tried. */
  attempts: number
  retryAt: number
  /** Whether a call that creates it may still be on its way, so that "not found" is no proof. */
  mayAppear: boolean
  /** How often in a row it was not there. */
  absences: number
  /** What must be proven before it is deleted; `null`: nothing, its creation was answered or it has our mark. */
  unproven: Claim | null
}

/** By what a database that may be ours is told from somebody else's, and marked as ours if it is. */
export interface Claim {
  tenant: string
  nonce: string
  /** Whether it would be a copy of a template, and not empty before it is marked. */
  isCopy: boolean
}

/** One call that the saga made. */
export interface TimelineEntry {
  step: Effect['kind']
  attempt: number
  at: string
  duration_ms: number
  /** `retried`: to be tried again; `interrupted`: nobody knows how it ended, and it is tried again too. */
  outcome: 'done' | 'retried' | 'refused' | 'interrupted'
  detail: string | null
  /** As Turso named the request. */
  request_id: string | null
}

/** A call to Turso. */
export type Effect =
  | { kind: 'create_database'; name: string; group: string; location: string; template: string | null }
  /** `template`: what it must be a copy of; `null`: of nothing. */
  | { kind: 'find_database'; name: string; template: string | null }
  | { kind: 'create_token'; name: string }
  | {
      kind: 'migrate'
      name: string
      hostname: string
      beginning: Beginning
      claim: Claim
      isProven: boolean
    }
  /** `unproven`: it is deleted only if it can be claimed. */
  | { kind: 'delete_database'; name: string; unproven: Claim | null }
  | { kind: 'block_database'; name: string; tenant: string }
  | { kind: 'unblock_database'; name: string; tenant: string }

export type EffectOf<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>

/** What is to be done next. */
export type Decision =
  | Effect
  /** Nothing before that time. */
  | { kind: 'wait'; until: number }
  /** Give the database up: its tenant was deleted long enough ago. */
  | { kind: 'purge' }
  /** All that is known can be deleted. */
  | { kind: 'forget' }
  /** Nothing more to do. */
  | { kind: 'rest' }

export type EffectResult =
  | {
      kind: 'done'
      requestId: string | null
      /** Of `create_database` and `find_database`. */
      database?: { id: string; hostname: string; location: string | null }
      /** Of `migrate`. */
      schemaVersion?: number
    }
  | ({ kind: 'failed' } & Failure)

export interface Failure {
  /**
   * `foreign`: the database is somebody else's. `exists`, `missing` and `unauthorized` mean something different at each step; `refused` is for good; `held` is what
   * everybody waits for, and no attempt of this tenant.
   */
  reason: 'foreign' | 'held' | 'exists' | 'missing' | 'unauthorized' | 'refused' | 'unavailable'
  detail: string
  /** Whether the call certainly had no effect. */
  isHarmless: boolean
  /** Whether Turso did not like what it was sent. */
  isInvalid: boolean
  retryAfterMs: number | null
  requestId: string | null
}

export type SagaEvent =
  /** Somebody takes the saga up: a request or an alarm. */
  | { kind: 'woken'; now: number }
  /** The database of a deleted tenant is given up. */
  | { kind: 'purged'; now: number }
  /** A call is about to be made. */
  | { kind: 'begun'; effect: Effect; now: number }
  /** It has ended. `random` is from 0 to 1. */
  | { kind: 'ended'; effect: Effect; result: EffectResult; now: number; random: number }
