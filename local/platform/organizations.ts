/** Organizations: the primary one that the local Turso was started with, and what its owner makes besides. */
import { HttpFailure } from '../errors.ts'
import type { OrganizationRecord } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { optionalFlag, requiredText } from './fields.ts'
import type { WireOrganization } from './wire.ts'

const ORGANIZATION = '/v1/organizations/:organization'

export const organizationRoutes: Route[] = [
  // Version 1 answers with a bare array.
  route('GET', '/v1/organizations', 'any', listOrganizations),
  route('GET', '/v2/organizations', 'any', (call) => ({ organizations: listOrganizations(call) })),
  route('POST', '/v1/organizations', 'organization', createOrganization),
  route('GET', ORGANIZATION, 'any', (call) => ({
    organization: toWireOrganization(call, call.organization),
  })),
  route('PATCH', ORGANIZATION, 'organization', updateOrganization),
  route('DELETE', ORGANIZATION, 'organization', deleteOrganization),
]

function listOrganizations(call: Call): WireOrganization[] {
  const { catalogue, caller } = call
  return catalogue.organizations
    .list()
    .filter(({ id }) => caller.organizationId === undefined || caller.organizationId === id)
    .map((organization) => toWireOrganization(call, organization))
}

function createOrganization(call: Call) {
  const { catalogue, caller, body, query, user } = call
  if (caller.organizationId !== undefined) {
    throw new HttpFailure(403, 'the token is scoped to an organization')
  }
  const name = requiredText(body, 'name')
  const slug = name.toLowerCase()
  if (!/^[a-z0-9-]{1,61}$/.test(slug)) {
    throw new HttpFailure(400, 'name must be 1 to 61 letters, digits and dashes')
  }
  if (catalogue.organizations.find(slug)) throw new HttpFailure(409, 'organization already exists')
  if (query.get('dry_run') === 'true') return { organization: { name: slug, slug } }
  const organization = catalogue.organizations.create(slug, { ...user, role: 'owner' })
  call.audit('org-create', `organization ${slug} created`, { organization: slug })
  return { organization: toWireOrganization(call, organization) }
}

function updateOrganization(call: Call) {
  const { catalogue, organization, body } = call
  const overages = optionalFlag(body, 'overages')
  const requireMfa = optionalFlag(body, 'require_mfa')
  const restoreEnabled = optionalFlag(body, 'restore_enabled')
  catalogue.organizations.update(organization.id, {
    ...(overages !== undefined && { overages }),
    ...(requireMfa !== undefined && { requireMfa }),
    ...(restoreEnabled !== undefined && { restoreEnabled }),
  })
  const code = overages === undefined ? 'org-update' : 'org-set-overages'
  call.audit(code, `organization ${organization.slug} updated`, { overages, requireMfa, restoreEnabled })
  const updated = catalogue.organizations.findById(organization.id)!
  return { organization: toWireOrganization(call, updated) }
}

function deleteOrganization(call: Call) {
  const { catalogue, organization } = call
  if (organization.id === catalogue.organizations.primary().id) {
    throw new HttpFailure(400, 'the personal organization cannot be deleted')
  }
  if (catalogue.organizations.hasGroups(organization.id)) {
    throw new HttpFailure(400, 'the organization still has groups, or deleted ones that can be restored')
  }
  catalogue.organizations.delete(organization.id)
  return { organization: organization.slug }
}

function toWireOrganization(
  { catalogue, plan }: Call,
  { id, slug, overages, requireMfa, restoreEnabled }: OrganizationRecord,
): WireOrganization {
  const isPersonal = id === catalogue.organizations.primary().id
  return {
    id,
    name: isPersonal ? 'personal' : slug,
    slug,
    type: isPersonal ? 'personal' : 'team',
    overages,
    require_mfa: requireMfa,
    restore_enabled: restoreEnabled,
    blocked_reads: false,
    blocked_writes: false,
    plan_id: plan,
    plan_timeline: 'monthly',
    platform: '',
  }
}
