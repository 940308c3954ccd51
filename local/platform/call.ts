/** One call of the Platform API, and what answers it. */
import type { OrganizationRecord } from '../storage/records.ts'
import type { Catalogue } from '../storage/catalogue.ts'
import type { DataFolder } from '../storage/data-folder.ts'
import type { Signer, Tokens } from '../tokens.ts'
import type { Caller } from './callers.ts'
import type { PlanName } from './plans.ts'
import type { RequiredScope } from './scopes.ts'
import type { Traps } from './traps.ts'

/** What all calls share. */
export interface PlatformContext {
  readonly catalogue: Catalogue
  readonly folder: Pick<DataFolder, 'storageBytes'>
  /** Ends every connection to a database. */
  readonly closeDatabase: (databaseId: string) => void
  readonly tokens: Tokens
  /** Signs the tokens of the Platform API. */
  readonly signer: Signer
  /** The token of the owner that always works. */
  readonly platformToken: string
  /** The only user there is, who owns the primary organization. */
  readonly user: { readonly username: string; readonly email: string }
  readonly plan: PlanName
  readonly traps: Traps
  readonly now: () => number
}

/** The members of a JSON body, not checked yet. */
export type Fields = Readonly<Record<string, unknown>>

export interface Call extends PlatformContext {
  readonly caller: Caller
  /** The organization in the path, or the primary one. */
  readonly organization: OrganizationRecord
  /** The parts of the path that the pattern names. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: Fields
  /** Notes what was done; part of the transaction that does it. */
  readonly audit: (code: string, message: string, data?: object) => void
}

/**
 * Answers a call with the JSON of a 200, `undefined` for an empty body. Runs inside a transaction of the catalogue
 * unless it is a GET. Throws `HttpFailure` when it refuses, and then nothing has happened.
 */
export type Handler = (call: Call) => unknown

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `/v1/organizations/:organization/databases`: a part after a colon matches any one segment. */
  readonly path: string
  /** What a token must be allowed to do. */
  readonly scope: RequiredScope
  readonly handler: Handler
}

export function route(method: Route['method'], path: string, scope: RequiredScope, handler: Handler): Route {
  return { method, path, scope, handler }
}
