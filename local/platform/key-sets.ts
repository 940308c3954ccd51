/**
 * Key sets of other issuers of tokens: `issuers.ts` reads them. One may be in a `data:` URL, which needs no network; that
 * is of the local Turso alone. Source: turso-cli, internal/turso/organizations.go
 */
import { HttpFailure } from '../errors.ts'
import type { Claims } from '../tokens.ts'
import { route, type Call, type Route } from './call.ts'
import { optionalText, requiredText } from './fields.ts'
import { requireDatabase, requireGroup } from './lookup.ts'
import type { WireKeySet } from './wire.ts'

const ORGANIZATION = '/v2/organizations/:organization'

export const keySetRoutes: Route[] = [
  route('GET', `${ORGANIZATION}/jwks`, 'organization', ({ catalogue, organization }) => ({
    jwks: catalogue.organizations
      .keySets(organization.id)
      .map(({ name, url }): WireKeySet => ({ jwks_name: name, jwks_url: url })),
  })),
  route('PUT', `${ORGANIZATION}/jwks/:name`, 'organization', saveKeySet),
  route('DELETE', `${ORGANIZATION}/jwks/:name`, 'organization', deleteKeySet),
  // The CLI sends a body with this GET, which fetch cannot do; so POST does the same here.
  route('GET', `${ORGANIZATION}/jwks-template`, 'organization', retrieveTemplate),
  route('POST', `${ORGANIZATION}/jwks-template`, 'organization', retrieveTemplate),
]

const MAX_STARTER_KEY_SETS = 2

function saveKeySet(call: Call): undefined {
  const { catalogue, organization, params, body } = call
  const { name = '' } = params
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) throw new HttpFailure(400, 'invalid jwks name')
  const url = requiredText(body, 'jwks_url')
  if (!URL.canParse(url) || !/^(https|data):$/.test(new URL(url).protocol))
    throw new HttpFailure(400, 'invalid jwks_url')
  const others = catalogue.organizations.keySets(organization.id).filter((keySet) => keySet.name !== name)
  if (call.plan === 'starter' && others.length >= MAX_STARTER_KEY_SETS) {
    throw new HttpFailure(400, `jwks count limit(${MAX_STARTER_KEY_SETS}) exceeded`)
  }
  catalogue.organizations.saveKeySet(organization.id, { name, url })
  call.audit('org-jwks-save', `jwks ${name} saved`, { jwks: name })
}

function deleteKeySet(call: Call): undefined {
  const { catalogue, organization, params } = call
  const { name = '' } = params
  if (!catalogue.organizations.keySets(organization.id).some((keySet) => keySet.name === name)) {
    throw new HttpFailure(404, 'jwks not found')
  }
  catalogue.organizations.deleteKeySet(organization.id, name)
  call.audit('org-jwks-remove', `jwks ${name} removed`, { jwks: name })
}

/** The claims that a provider has to put into its tokens. */
function retrieveTemplate(call: Call): { template: Claims } {
  const { body } = call
  const database = optionalText(body, 'database')
  const group = optionalText(body, 'group')
  const scope = optionalText(body, 'scope') ?? 'full-access'
  if (scope !== 'full-access' && scope !== 'read-only') throw new HttpFailure(400, 'invalid scope')
  const a = scope === 'read-only' ? 'ro' : 'rw'
  if (database) {
    const { id, rotationId } = requireDatabase({ ...call, params: { database } })
    return { template: { a, id, perm: [], rid: rotationId } }
  }
  if (!group) throw new HttpFailure(400, 'database or group is required')
  return { template: { a, gid: requireGroup({ ...call, params: { group } }).id, perm: [] } }
}
