/**
 * What the Platform API is asked for and answers with, in this library's casing. Times are texts of RFC 3339 unless
 * their name ends in `Ms`.
 *
 * Checked are ids, names and host names, whose absence is a {@link ProtocolError}, and flags and some others, which are
 * `false` or `null` when they are absent. Everything else is as the API's reference has it, and handed on as it comes:
 * `raw` is the answer itself.
 */
import type { PlatformCallOptions } from './call.ts'
import type { TablePermission } from './permissions.ts'
import type { Raw, Usage } from './raw.ts'

export type * from './organization-types.ts'
export type * from './raw.ts'

/** The codes of AWS; others are those of older accounts. */
export type LocationCode =
  | 'aws-ap-northeast-1'
  | 'aws-ap-south-1'
  | 'aws-ap-southeast-2'
  | 'aws-ca-central-1'
  | 'aws-eu-north-1'
  | 'aws-eu-west-1'
  | 'aws-sa-east-1'
  | 'aws-us-east-1'
  | 'aws-us-east-2'
  | 'aws-us-west-2'
  | (string & {})

/** What `create` answers with. */
export interface CreatedDatabase extends Raw {
  /** Changes when a deleted name is used again; tokens are bound to it. */
  id: string
  name: string
  /** Of the database, without scheme. Always taken from here: it cannot be derived from the name. */
  hostname: string
}

export interface DatabaseDetails extends CreatedDatabase {
  /** Its name. */
  group: string
  /** Where writes go to; `null` where the API does not say. */
  primaryLocation: LocationCode | null
  locations?: LocationCode[]
  blockReads: boolean
  blockWrites: boolean
  deleteProtection: boolean
  /** Of a database that was seeded from another one. */
  parent?: { id: string; name: string; branchedAt: string } | null
  engine?: 'libsql' | 'tursodb' | (string & {})
  encryptionCipher?: EncryptionCipher
  type?: string
  version?: string
  sleeping?: boolean
  archived?: boolean
  allowAttach?: boolean
  isSchema?: boolean
  schema?: string
  /** Version 3 only. */
  groupId?: string
  /** Version 3 only. */
  organizationId?: string
  /** Version 3 only. */
  allowRulesConfig?: { allowedIps: string[]; allowedAwsVpcIds: string[] }
}

/** A database that was deleted within the last five days. */
export interface DeletedDatabase extends CreatedDatabase {
  group: string
  groupId: string
  organizationId: string
  locations?: LocationCode[]
  primaryLocation: LocationCode | null
  deleteProtection: boolean
  /** `null` once it is restored. */
  deletedAt: string | null
  /** Set when its group was deleted as well, which has to be restored first. */
  groupDeletedAt: string | null
}

export type EncryptionCipher =
  | 'aes128gcm'
  | 'aes256gcm'
  | 'chacha20poly1305'
  | 'aegis128l'
  | 'aegis128x2'
  | 'aegis128x4'
  | 'aegis256'
  | 'aegis256x2'
  | 'aegis256x4'

/** What a new database is filled with. */
export type Seed =
  /** A copy of another database of the organization, as it is or as it was (`timestamp`). */
  | { type: 'database'; name: string; timestamp?: Date | string | undefined }
  /** Nothing yet: it awaits the file that {@link uploadDatabase} sends. */
  | { type: 'database_upload' }
  /** A dump at an address. No longer in the API's reference, still sent by the Turso CLI. */
  | { type: 'dump'; url: string }

export interface NewDatabase {
  seed?: Seed | undefined
  /** Bytes, or with a unit: `500mb`. Refused for databases on AWS. */
  sizeLimit?: string | number | undefined
  /** The key in base64: 16 or 32 bytes, as the cipher asks for. */
  remoteEncryption?: { encryptionKey: string; encryptionCipher: EncryptionCipher } | undefined
  /** The new engine, Turso Database, instead of libSQL. Sent by the official clients, not in the API's reference. */
  useTursodb?: boolean | undefined
}

export interface CreateDatabaseOptions extends NewDatabase, PlatformCallOptions {
  /** Default `default`. */
  group?: string | undefined
  /**
   * Where to create the group when it does not exist; without it, a missing group is an error. The nearest one is
   * `(await turso.locations.closest()).server`.
   */
  location?: LocationCode | undefined
  /** Makes it a schema database, which new organizations no longer get. */
  isSchema?: boolean | undefined
  /** The schema database that it follows. */
  schema?: string | undefined
}

/** Databases that a token may attach: of the same group, at most 10. Refused for databases on AWS. */
export interface DatabasePermissions {
  readAttach?: { databases: string[] } | undefined
}

export interface CreateTokenOptions extends PlatformCallOptions {
  /** `never`, or numbers with the units w, d, h and m: `2w1d30m`. Default `never`. */
  expiration?: string | undefined
  /** Default `full-access`. */
  authorization?: 'full-access' | 'read-only' | undefined
  permissions?: DatabasePermissions | undefined
  /** Made by {@link permissions}. Sent by the Turso CLI, not in the API's reference; refused for databases on AWS. */
  fineGrainedPermissions?: TablePermission[] | undefined
}

export interface ListDatabasesOptions extends PlatformCallOptions {
  /** Its name. */
  group?: string | undefined
  /** Only what follows this schema database. */
  schema?: string | undefined
  /** `schema`: only schema databases. */
  type?: 'schema' | undefined
  /** The id of a database: only what was seeded from it. */
  parent?: string | undefined
  /** Databases on a page. Default: as many as the API likes, 1,000 so far. */
  limit?: number | undefined
}

export interface DatabaseConfiguration extends Raw {
  /** Bytes, or with a unit; empty for none. */
  sizeLimit?: string
  allowAttach: boolean
  blockReads: boolean
  blockWrites: boolean
  deleteProtection: boolean
  /** CIDR ranges; empty for all addresses. */
  allowedIps?: string[] | null
  allowedAwsVpcIds?: string[] | null
}

/** What is left out stays as it is. */
export interface UpdateDatabaseOptions extends PlatformCallOptions {
  /** Bytes, or with a unit: `500mb`. Refused for databases on AWS. */
  sizeLimit?: string | number | undefined
  /** Refused for databases on AWS. */
  allowAttach?: boolean | undefined
  blockReads?: boolean | undefined
  blockWrites?: boolean | undefined
  deleteProtection?: boolean | undefined
  /** `[]` or `null` allows all addresses again. Paid plans only. */
  allowedIps?: string[] | null | undefined
  allowedAwsVpcIds?: string[] | null | undefined
}

export interface Instance extends Raw {
  id: string
  name: string
  type: 'primary' | 'replica'
  region: LocationCode
  hostname: string
}

export interface DatabaseUsage extends Raw {
  id: string
  instances: { id: string; usage: Usage }[]
  usage: Usage
}

export interface UsageOptions extends PlatformCallOptions {
  /** Default: the beginning of the calendar month. A text must have an offset: `2026-11-01T00:00:00Z`. */
  from?: Date | string | undefined
  /** Default: now. */
  to?: Date | string | undefined
}

export interface QueryStatistics extends Raw {
  query: string
  rowsRead: number
  rowsWritten: number
}

export interface Group extends Raw {
  id: string
  name: string
  /** Where writes go to, such as `aws-eu-west-1`. */
  primaryLocation: LocationCode
  locations?: LocationCode[]
  deleteProtection: boolean
  /** A group of the free plan is, after ten days without a request. `unarchive` brings it back. */
  archived: boolean
  version?: string
  status?: { locations: { name: string; status: string }[] }
}

export interface CreateGroupOptions extends PlatformCallOptions {
  /** A location code such as `aws-eu-west-1`. */
  location: LocationCode
  extensions?: 'all' | GroupExtension[] | undefined
}

export type GroupExtension =
  | 'vector'
  | 'crypto'
  | 'fuzzy'
  | 'math'
  | 'stats'
  | 'text'
  | 'unicode'
  | 'uuid'
  | 'regexp'
  | 'vec'

export interface GroupConfiguration extends Raw {
  deleteProtection: boolean
}

export interface DeletedGroup extends Raw {
  id: string
  name: string
  deletedAt: string
  /** How many databases were deleted along with it. */
  cascadeDatabases: number
}

export interface RestoredGroup extends Raw {
  group: Omit<Group, 'raw'>
  databases: Omit<DeletedDatabase, 'raw'>[]
  /** Why a database could not be restored, by its id. */
  failures: Record<string, string>
}

export interface Migration extends Raw {
  status: string
  comment?: string
}

export interface Location extends Raw {
  code: LocationCode
  /** For people: `AWS EU West (Ireland)`. */
  description: string
}

export interface LocationDetails extends Location {
  closest?: { code: LocationCode; description: string }[]
}

export interface ClosestLocation extends Raw {
  /** The nearest location for a group. */
  server: LocationCode
  /** Where the request came in: the code of an edge, which no group can be created in. */
  client: string
}
