/** What the catalogue knows of each thing. */

export interface OrganizationRecord {
  readonly id: string
  readonly slug: string
  readonly overages: boolean
  readonly requireMfa: boolean
  /** What was deleted may be restored. */
  readonly restoreEnabled: boolean
}

export interface Group {
  readonly id: string
  readonly organizationId: string
  readonly name: string
  /** The code of the location that takes the writes. */
  readonly location: string
  /** The codes of further locations. Nothing is replicated. */
  readonly replicas: readonly string[]
  readonly deleteProtection: boolean
  /** Tokens of the group carry it; another one makes the older tokens worthless. */
  readonly rotationId: string
  readonly deletedAtMs: number | undefined
}

export interface DatabaseRecord {
  /** The DbId: a name may be used again, this never is. */
  readonly id: string
  readonly name: string
  readonly organizationId: string
  readonly organizationSlug: string
  readonly groupId: string
  /** The name of its group. */
  readonly group: string
  readonly location: string
  readonly replicas: readonly string[]
  /** The first label of its host name. */
  readonly label: string
  /** Where its SQL is served. */
  readonly hostname: string
  readonly rotationId: string
  readonly groupRotationId: string
  readonly parent: { readonly id: string; readonly name: string } | undefined
  /** It waits for the upload of its file, and is not served until then. */
  readonly isDraft: boolean
  readonly blockReads: boolean
  readonly blockWrites: boolean
  readonly deleteProtection: boolean
  readonly allowAttach: boolean
  /** Empty for none. */
  readonly sizeLimit: string
  readonly allowedIps: readonly string[]
  readonly allowedAwsVpcIds: readonly string[]
  readonly createdAtMs: number
  readonly deletedAtMs: number | undefined
  readonly groupDeletedAtMs: number | undefined
}

export interface Member {
  readonly username: string
  readonly role: string
  readonly email: string
}

export interface Invite {
  readonly id: number
  readonly email: string
  readonly role: string
  readonly createdAtMs: number
}

/** A set of public keys of another issuer of tokens. */
export interface KeySet {
  readonly name: string
  readonly url: string
}

/** A token of the Platform API. The token itself is not kept. */
export interface ApiToken {
  readonly id: string
  readonly name: string
  /** Without one it is for all organizations. */
  readonly organizationId: string | undefined
  readonly organizationSlug: string | undefined
  /** With one it is pinned to this group, and to its scopes. */
  readonly groupId: string | undefined
  readonly group: string | undefined
  readonly scopes: readonly string[]
  readonly createdAtMs: number
}

export interface AuditLog {
  readonly code: string
  readonly message: string
  readonly origin: string
  readonly author: string
  readonly createdAtMs: number
  readonly data: unknown
}

/** A part of a list in the order of names, and where the next part begins. */
export interface Page<T> {
  readonly rows: T[]
  /** The name after which the next page begins, `undefined` on the last one. */
  readonly next: string | undefined
}
