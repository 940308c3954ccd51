/** The same as `types.ts`, of organizations and what belongs to them. */
import type { PlatformCallOptions } from './call.ts'
import type { Raw, Usage } from './raw.ts'

export interface Organization extends Raw {
  /** The key of the routes of version 3; absent where the API does not say. */
  id?: string
  name: string
  slug: string
  type: 'personal' | 'team' | (string & {})
  overages: boolean
  requireMfa: boolean
  /** Whether what was deleted can be restored. */
  restoreEnabled: boolean
  blockedReads: boolean
  blockedWrites: boolean
  planId?: string
  planTimeline?: string
  platform?: string
}

export interface UpdateOrganizationOptions extends PlatformCallOptions {
  /** Whether more may be used than the plan includes, and be billed. */
  overages?: boolean | undefined
  requireMfa?: boolean | undefined
  restoreEnabled?: boolean | undefined
}

export interface Plan extends Raw {
  name: string
  price: string
  prices?: { value: string; timeline: string }[]
  quotas: {
    rowsRead: number
    rowsWritten: number
    databases: number
    locations: number
    storage: number
    groups: number
    bytesSynced?: number
  }
}

export interface Subscription extends Raw {
  name: string
  plan: string
  timeline: string
  overages: boolean
}

export interface OrganizationUsage extends Raw {
  id: string
  usage: Usage & { databases: number; locations: number; groups: number }
  databases: { id: string; instances: { id: string; usage: Usage }[]; total: Usage }[]
}

export interface Invoice extends Raw {
  invoiceNumber: string
  amountDue: string
  dueDate: string
  paidAt: string | null
  paymentFailedAt: string | null
  invoicePdf: string
}

export type Role = 'owner' | 'admin' | 'member' | 'viewer'

export interface Member extends Raw {
  username: string
  role: Role
  email: string
}

export interface Invite extends Raw {
  id: number
  email: string
  role: Exclude<Role, 'owner'>
  createdAt: string
}

export interface CreatedInvite extends Raw {
  email: string
  role: Exclude<Role, 'owner'>
  organization: string
}

export interface ApiToken extends Raw {
  id: string
  name: string
  /** The slug; absent for a token that is not bound to one. */
  organization?: string
  group?: string
  scopes?: ApiTokenScope[]
  /** A day: `2026-05-21`. */
  createdAt?: string
  /** Where tokens of an organization are listed. */
  owner?: { username: string; email: string }
}

export interface CreatedApiToken extends Raw {
  id: string
  name: string
  /** The token itself. It is shown this once. */
  token: string
}

export type ApiTokenScope =
  | 'read'
  | 'db:create'
  | 'db:delete'
  | 'db:configure'
  | 'db:mint-token'
  | 'db:rotate-creds'
  | 'group:configure'
  | 'group:mint-token'
  | 'group:rotate-creds'

export interface AuditLog extends Raw {
  /** Such as `db-create` or `org-member-add`. */
  code: string
  message: string
  origin: string
  author: string
  createdAt: string
  /** As sent: its members depend on the code. */
  data: unknown
  city?: string
  countryCode?: string
  latitude?: string | number
  longitude?: string | number
  ip?: string
}

/** Where keys of another issuer of tokens are found. */
export interface KeySet extends Raw {
  name: string
  url: string
}

export interface User extends Raw {
  username: string
  name?: string
  email: string
  avatarUrl?: string
  plan?: string
  mfa: boolean
  hasPendingInvites: boolean
}
