/** Key sets of other issuers of tokens, such as Clerk or Auth0. */
import type { PlatformCallOptions } from './call.ts'
import { bind, type EndpointContext, type Endpoints } from './endpoint.ts'
import { AUTHORIZATION, isText, requireNames, textOf } from './options.ts'
import { requireRules, type TablePermission } from './permissions.ts'
import type { KeySet, LocationCode } from './types.ts'

export interface KeySetTemplateOptions {
  /** Default `full-access`. */
  authorization?: 'full-access' | 'read-only' | undefined
  /** Made by {@link permissions}. */
  fineGrainedPermissions?: TablePermission[] | undefined
  /** The claim `rid` of a token that {@link Databases.createToken} has minted: Turso's own template has it. */
  rid?: string | undefined
}

/** The claims that an issuer has to put into its tokens. */
export interface KeySetTemplate {
  a: 'rw' | 'ro'
  /** The id of the database. */
  id?: string
  /** The id of the group. */
  gid?: string
  rid?: string
  perm: TablePermission[]
}

/**
 * A token of such an issuer that lacks the claims of a template opens every database of the organization: never register
 * a key set that also signs other tokens.
 *
 * @experimental Not in the API's reference; from the Turso CLI (organizations.go) and the documentation of JWKS.
 */
export interface KeySets {
  /** `GET /v2/organizations/{organization}/jwks`. */
  list(options?: PlatformCallOptions): Promise<KeySet[]>
  /**
   * `PUT /v2/organizations/{organization}/jwks/{name}`: registers the `https:` address of a key set in a region, or
   * changes it. Throws {@link HttpError} `plan_limit` for more than two on the free plan.
   */
  save(name: string, url: string, options: { region: LocationCode } & PlatformCallOptions): Promise<void>
  /** `DELETE /v2/organizations/{organization}/jwks/{name}`. */
  delete(name: string, options: { region: LocationCode } & PlatformCallOptions): Promise<void>
  /**
   * The claims of tokens for a database (`id`) or for all of a group (`groupId`). Made here, without a request: the route
   * of the API for it is a GET with a body, which `fetch` cannot send.
   *
   * Throws `TypeError` for a subject that is not one id, and for malformed or unknown options: what is left out of the
   * claims would be allowed.
   */
  template(subject: { id: string } | { groupId: string }, options?: KeySetTemplateOptions): KeySetTemplate
}

export const keySets: Endpoints<Omit<KeySets, 'template'>> = {
  list: { route: 'GET /v2/organizations/:organization/jwks', list: true, answer: 'jwks', fields: 'name url' },
  save: { route: 'PUT /v2/organizations/:organization/jwks/:name', body: 'jwks_url', options: 'region' },
  delete: { route: 'DELETE /v2/organizations/:organization/jwks/:name', options: 'region' },
}

/** The methods of {@link KeySets}. */
export function bindKeySets(context: EndpointContext): KeySets {
  return { ...bind(keySets, context), template }
}

const template: KeySets['template'] = (subject, options = {}) => {
  requireNames('"subject"', subject, 'id groupId')
  requireNames('"options"', options, 'authorization fineGrainedPermissions rid')
  const { id, groupId } = subject as { id?: string; groupId?: string }
  return claimsOf(id, groupId, options, '"id" or "groupId"')
}

/**
 * @param subjects what the two ids are called, for the error
 * @throws {TypeError} unless there is one id, and for malformed options. Unknown ones are not seen here
 */
export function claimsOf(
  id: string | undefined,
  gid: string | undefined,
  { authorization = 'full-access', fineGrainedPermissions, rid }: KeySetTemplateOptions,
  subjects: string,
): KeySetTemplate {
  if ((id === undefined) === (gid === undefined) || !isText(id ?? gid))
    throw new TypeError(`Either ${subjects} must be an id`)
  // A misspelled one must not become the default, which can do everything.
  textOf('authorization', authorization, AUTHORIZATION)
  if (rid !== undefined && !isText(rid)) throw new TypeError('"rid" must be a text')
  if (fineGrainedPermissions !== undefined) requireRules(fineGrainedPermissions)
  return {
    a: authorization === 'read-only' ? 'ro' : 'rw',
    ...(id === undefined ? { gid: gid! } : { id }),
    perm: fineGrainedPermissions ?? [],
    ...(rid !== undefined && { rid }),
  }
}
