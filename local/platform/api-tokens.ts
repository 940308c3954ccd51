/** Tokens of the Platform API itself, at three levels: unrestricted, one organization, one group with scopes. */
import { randomBytes } from 'node:crypto'
import { HttpFailure } from '../errors.ts'
import type { ApiToken, OrganizationRecord } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { optionalText, optionalTexts } from './fields.ts'
import { expandScopes } from './scopes.ts'
import type { WireApiToken } from './wire.ts'

const TOKENS = '/v1/auth/api-tokens'
const ORGANIZATION_TOKENS = '/v1/organizations/:organization/api-tokens'

export const apiTokenRoutes: Route[] = [
  // They never expire here.
  route('GET', '/v1/auth/validate', 'any', () => ({ exp: -1 })),
  // A route of the CLI: everything but the token that always works.
  route('POST', '/v1/auth/invalidate', 'organization', ({ catalogue, caller, now }) => {
    for (const { id } of catalogue.apiTokens.list(caller.organizationId)) catalogue.apiTokens.delete(id)
    return { valid_from: Math.floor(now() / 1000) }
  }),
  route('GET', TOKENS, 'organization', ({ catalogue, caller }) => ({
    tokens: catalogue.apiTokens.list(caller.organizationId).map(toWireToken),
  })),
  route('POST', `${TOKENS}/:name`, 'organization', (call) => {
    const { id, name, value } = createToken(call)
    return { name, id, token: value }
  }),
  // What the CLI uses.
  route('POST', '/v2/auth/api-tokens/:name', 'organization', (call) => ({ token: createToken(call) })),
  route('DELETE', `${TOKENS}/:name`, 'organization', (call) => {
    const { name = '' } = call.params
    return { token: revoke(call, call.catalogue.apiTokens.findByName(name)).name }
  }),
  route('GET', ORGANIZATION_TOKENS, 'organization', ({ catalogue, organization, user }) => ({
    tokens: catalogue.apiTokens
      .list(organization.id)
      .map((token) => ({ ...toWireToken(token), owner: user })),
  })),
  route('DELETE', `${ORGANIZATION_TOKENS}/:tokenId`, 'organization', (call) => {
    const token = call.catalogue.apiTokens.find(call.params['tokenId'] ?? '')
    const isForeign = token?.organizationId !== call.organization.id
    return { token: revoke(call, isForeign ? undefined : token).id }
  }),
]

/** The value is shown this once and kept nowhere. */
function createToken(call: Call): { id: string; name: string; value: string } {
  const { catalogue, params, caller, signer, now } = call
  const { name = '' } = params
  if (!/^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$/.test(name)) throw new HttpFailure(400, 'invalid token name')
  if (catalogue.apiTokens.findByName(name)) {
    throw new HttpFailure(409, `api token with name ${name} already exists`)
  }
  const organization = readOrganization(call)
  if (caller.organizationId !== undefined && caller.organizationId !== organization?.id) {
    throw new HttpFailure(403, 'the token is scoped to another organization')
  }
  const pinned = readGroup(call, organization)
  const id = randomBytes(16).toString('base64url')
  catalogue.apiTokens.create({
    id,
    name,
    organizationId: organization?.id,
    groupId: pinned?.groupId,
    scopes: pinned?.scopes ?? [],
    createdAtMs: now(),
  })
  call.audit('user-token-create', `api token ${name} created`, { token: name, id })
  return { id, name, value: signer.sign({ jti: id, iat: Math.floor(now() / 1000) }) }
}

function readOrganization({ body, catalogue }: Call): OrganizationRecord | undefined {
  const slug = optionalText(body, 'organization')
  if (slug === undefined || slug === '') return undefined
  const organization = catalogue.organizations.find(slug)
  if (!organization) throw new HttpFailure(404, 'organization not found')
  return organization
}

/** A group and its scopes go together, and need an organization. */
function readGroup({ body, catalogue }: Call, organization: OrganizationRecord | undefined) {
  const groupName = optionalText(body, 'group') ?? ''
  const names = optionalTexts(body, 'scopes', /^/) ?? []
  if (groupName === '') {
    if (names.length > 0) throw new HttpFailure(400, 'scopes require a group')
    return undefined
  }
  if (!organization) throw new HttpFailure(400, 'group requires an organization')
  const group = catalogue.groups.find(organization.id, groupName)
  if (!group) throw new HttpFailure(404, 'group not found')
  const scopes = expandScopes(names)
  if (!scopes) throw new HttpFailure(400, 'unknown scope')
  if (scopes.length === 0) throw new HttpFailure(400, 'a group-scoped token requires at least one scope')
  return { groupId: group.id, scopes }
}

function revoke(call: Call, token: ApiToken | undefined): ApiToken {
  const { catalogue, caller } = call
  const isForeign = caller.organizationId !== undefined && token?.organizationId !== caller.organizationId
  if (!token || isForeign) throw new HttpFailure(404, 'could not find api token')
  catalogue.apiTokens.delete(token.id)
  call.audit('user-token-delete', `api token ${token.name} revoked`, { token: token.name, id: token.id })
  return token
}

function toWireToken({ id, name, organizationSlug, group, scopes, createdAtMs }: ApiToken): WireApiToken {
  return {
    name,
    id,
    ...(organizationSlug !== undefined && { organization: organizationSlug }),
    ...(group !== undefined && { group, scopes: [...scopes] }),
    created_at: new Date(createdAtMs).toISOString().slice(0, 10),
  }
}
