/** Groups: where databases live. */
import { HttpFailure } from '../errors.ts'
import type { Group } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { optionalFlag, optionalText } from './fields.ts'
import { isLocation } from './locations.ts'
import { requireGroup } from './lookup.ts'
import { checkName } from './names.ts'
import { planOf } from './plans.ts'
import type { WireGroup } from './wire.ts'

const GROUPS = '/v1/organizations/:organization/groups'

export const groupRoutes: Route[] = [
  route('GET', GROUPS, 'read', (call) => ({ groups: visibleGroups(call).map(toWireGroup) })),
  route('POST', GROUPS, 'organization', createGroup),
  route('GET', `${GROUPS}/:group`, 'read', (call) => ({ group: toWireGroup(requireGroup(call)) })),
  route('DELETE', `${GROUPS}/:group`, 'organization', deleteGroup),
  route('GET', `${GROUPS}/:group/configuration`, 'read', (call) => toWireConfiguration(requireGroup(call))),
  route('PATCH', `${GROUPS}/:group/configuration`, 'group:configure', updateConfiguration),
  route('POST', `${GROUPS}/:group/rename`, 'organization', renameGroup),
  route('POST', `${GROUPS}/:group/transfer`, 'organization', transferGroup),
  route('POST', `${GROUPS}/:group/unarchive`, 'group:configure', unarchiveGroup),
  route('POST', `${GROUPS}/:group/update`, 'group:configure', updateGroup),
  route('POST', `${GROUPS}/:group/locations/:location`, 'group:configure', addLocation),
  route('DELETE', `${GROUPS}/:group/locations/:location`, 'group:configure', removeLocation),
  // Ready as soon as it is made.
  route('GET', `${GROUPS}/:group/locations/:location/wait`, 'read', (call) => {
    requireGroup(call)
  }),
  // From the older servers to AWS, as the CLI asks for it. There is nowhere to go here.
  route('GET', `${GROUPS}/:group/aws/migration/info`, 'organization', (call) => {
    requireGroup(call)
    return { status: 'none', comment: '' }
  }),
  route('POST', `${GROUPS}/:group/aws/migration/start`, 'organization', refuseMigration),
  route('POST', `${GROUPS}/:group/aws/migration/abort`, 'organization', refuseMigration),
]

/** All groups, for a group-scoped token its own one. */
export function visibleGroups({ catalogue, organization, caller }: Call): Group[] {
  const groups = catalogue.groups.list(organization.id)
  return caller.groupId === undefined ? groups : groups.filter(({ id }) => id === caller.groupId)
}

export function toWireGroup({ id, name, location, replicas, deleteProtection }: Group): WireGroup {
  return {
    name,
    uuid: id,
    version: 'local',
    primary: location,
    locations: [location, ...replicas],
    archived: false,
    delete_protection: deleteProtection,
  }
}

function createGroup(call: Call) {
  const { body, catalogue, organization } = call
  const { name, location } = body
  checkName(name)
  if (!isLocation(location))
    throw new HttpFailure(
      400,
      `invalid location: ${typeof location === 'string' ? location : 'not a string'}`,
    )
  checkExtensions(body['extensions'])
  refuseTakenGroup(call, name)
  const { groups } = planOf(call.plan).quotas
  if (catalogue.groups.list(organization.id).length >= groups) {
    throw new HttpFailure(402, `maximum group count of ${groups} reached`)
  }
  const group = catalogue.groups.create(organization.id, name, location)
  call.audit('group-create', `group ${name} created`, { group: name, id: group.id, location })
  return { group: toWireGroup(group) }
}

function refuseTakenGroup({ catalogue, organization }: Call, name: string): void {
  if (catalogue.groups.find(organization.id, name)) throw new HttpFailure(409, 'group already exists')
}

/** The databases go with their group. */
function deleteGroup(call: Call) {
  const { catalogue } = call
  const group = requireGroup(call)
  const databases = catalogue.databases.inGroup(group.id)
  if (group.deleteProtection)
    throw new HttpFailure(400, `group [${group.name}] has delete protection enabled`)
  const kept = databases.find(({ deleteProtection }) => deleteProtection)
  if (kept) throw new HttpFailure(400, `database [${kept.name}] has delete protection enabled`)
  for (const { id } of databases) call.closeDatabase(id)
  catalogue.groups.delete(group.id, call.now())
  call.audit('group-delete', `group ${group.name} deleted`, {
    group: group.name,
    databases: databases.length,
  })
  return { group: toWireGroup(group) }
}

function toWireConfiguration({ deleteProtection }: Group) {
  return { delete_protection: deleteProtection }
}

function updateConfiguration(call: Call) {
  const { id, name } = requireGroup(call)
  const deleteProtection = optionalFlag(call.body, 'delete_protection')
  if (deleteProtection !== undefined) {
    call.catalogue.groups.update(id, { deleteProtection })
    call.audit(deleteProtection ? 'group-protect' : 'group-unprotect', `group ${name} configured`, {
      group: name,
    })
  }
  return toWireConfiguration(requireGroup(call))
}

function renameGroup(call: Call) {
  const { id, name: oldName } = requireGroup(call)
  const { name } = call.body
  checkName(name)
  if (name !== oldName) refuseTakenGroup(call, name)
  call.catalogue.groups.update(id, { name })
  call.audit('group-rename', `group ${oldName} renamed to ${name}`, { group: name, from: oldName })
  return { group: toWireGroup({ ...requireGroup({ ...call, params: { group: name } }) }) }
}

/** To another organization of the same owner. Answers with the bare group; old host names and tokens keep working. */
function transferGroup(call: Call): WireGroup {
  const { catalogue, body, caller } = call
  const group = requireGroup(call)
  const organization = catalogue.organizations.find(optionalText(body, 'organization') ?? '')
  if (!organization) throw new HttpFailure(404, 'organization not found')
  if (caller.organizationId !== undefined && caller.organizationId !== organization.id) {
    throw new HttpFailure(403, 'the token is scoped to another organization')
  }
  if (organization.id === group.organizationId) {
    throw new HttpFailure(400, `group ${group.name} is already in organization ${organization.slug}`)
  }
  refuseTakenGroup({ ...call, organization }, group.name)
  const taken = catalogue.databases
    .inGroup(group.id)
    .find(({ name }) => catalogue.databases.find(organization.id, name))
  if (taken) throw new HttpFailure(409, `database with name ${taken.name} already exists`)
  call.audit('group-transfer', `group ${group.name} transferred to ${organization.slug}`, {
    group: group.name,
  })
  catalogue.groups.transfer(group, organization.id)
  for (const { id, groupId } of catalogue.apiTokens.list())
    if (groupId === group.id) catalogue.apiTokens.delete(id)
  return toWireGroup(group)
}

/** No group is ever archived here. */
function unarchiveGroup(call: Call) {
  const group = requireGroup(call)
  call.audit('group-unarchive', `group ${group.name} unarchived`, { group: group.name })
  return { group: toWireGroup(group) }
}

function refuseMigration(call: Call): never {
  requireGroup(call)
  throw new HttpFailure(400, 'the migration of a group is not supported by the local Turso')
}

/** A short downtime on the real service: connections are cut here as well. */
function updateGroup(call: Call): undefined {
  const { id, name } = requireGroup(call)
  for (const database of call.catalogue.databases.inGroup(id)) call.closeDatabase(database.id)
  call.audit('group-update', `group ${name} updated`, { group: name })
}

function addLocation(call: Call) {
  const { id, location, replicas } = requireGroup(call)
  const { location: code } = call.params
  if (!isLocation(code)) throw new HttpFailure(400, `invalid location: ${code}`)
  if (code !== location && !replicas.includes(code)) {
    call.catalogue.groups.update(id, { replicas: [...replicas, code] })
    call.audit('instance-create', `location ${code} added`, { group: call.params['group'], location: code })
  }
  return { group: toWireGroup(requireGroup(call)) }
}

function removeLocation(call: Call) {
  const { id, replicas } = requireGroup(call)
  const { location: code = '' } = call.params
  if (!replicas.includes(code)) throw new HttpFailure(400, 'Invalid location code')
  call.catalogue.groups.update(id, { replicas: replicas.filter((replica) => replica !== code) })
  call.audit('instance-delete', `location ${code} removed`, { group: call.params['group'], location: code })
  return { group: toWireGroup(requireGroup(call)) }
}

/** They are checked and not kept: the engine here has the extensions that it has. */
function checkExtensions(extensions: unknown): void {
  if (extensions === undefined || extensions === null || extensions === '' || extensions === 'all') return
  if (Array.isArray(extensions) && extensions.every((extension) => EXTENSIONS.has(extension))) return
  throw new HttpFailure(400, `extensions must be "all" or a list of ${[...EXTENSIONS].join(', ')}`)
}

const EXTENSIONS: ReadonlySet<unknown> = new Set([
  'vector',
  'crypto',
  'fuzzy',
  'math',
  'stats',
  'text',
  'unicode',
  'uuid',
  'regexp',
  'vec',
])
