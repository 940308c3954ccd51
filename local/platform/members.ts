/** Members of an organization, and invitations to it. */
import { HttpFailure } from '../errors.ts'
import type { Invite, Member } from '../storage/records.ts'
import { route, type Call, type Fields, type Route } from './call.ts'
import { optionalText, requiredText } from './fields.ts'
import { toWireTime } from './lookup.ts'
import { requireScalerPlan } from './plans.ts'
import type { WireInvite, WireMember, WireRole } from './wire.ts'

const MEMBERS = '/v1/organizations/:organization/members'
const INVITES = '/v2/organizations/:organization/invites'

export const memberRoutes: Route[] = [
  route('GET', MEMBERS, 'organization', ({ catalogue, organization }) => ({
    members: catalogue.organizations.members(organization.id).map(toWireMember),
  })),
  route('POST', MEMBERS, 'organization', addMember),
  route('GET', `${MEMBERS}/:username`, 'organization', (call) => {
    const member = findMember(call)
    if (!member) throw new HttpFailure(404, 'could not find member')
    return { member: toWireMember(member) }
  }),
  route('PATCH', `${MEMBERS}/:username`, 'organization', updateMember),
  route('DELETE', `${MEMBERS}/:username`, 'organization', removeMember),
  route('GET', INVITES, 'organization', listInvites),
  route('POST', INVITES, 'organization', createInvite),
  route('DELETE', `${INVITES}/:email`, 'organization', deleteInvite),
]

function findMember({ catalogue, organization, params }: Call): Member | undefined {
  return catalogue.organizations.findMember(organization.id, params['username'] ?? '')
}

/** Whoever has a well-formed user name exists. */
function addMember(call: Call): { member: string; role: WireRole } {
  const { catalogue, organization, body } = call
  const username = readUsername(body)
  const role = readRole(body)
  if (catalogue.organizations.findMember(organization.id, username)) {
    throw new HttpFailure(409, `user ${username} is already a member of organization ${organization.slug}`)
  }
  catalogue.organizations.saveMember(organization.id, { username, role, email: emailOf(username) })
  call.audit('org-member-add', `member ${username} added`, { username, role })
  return { member: username, role }
}

function updateMember(call: Call): { member: WireMember } {
  const { catalogue, organization, body, params } = call
  const role = readRole(body)
  const member = findMember(call)
  if (!member) throw new HttpFailure(404, `could not find user ${params['username']}`)
  if (member.role === 'owner') throw new HttpFailure(403, 'the role of the owner cannot be changed')
  const updated = { ...member, role }
  catalogue.organizations.saveMember(organization.id, updated)
  call.audit('org-member-update', `member ${member.username} is now ${role}`, {
    username: member.username,
    role,
  })
  return { member: toWireMember(updated) }
}

function removeMember(call: Call): { member: string } {
  const { catalogue, organization, params } = call
  const member = findMember(call)
  if (!member) {
    throw new HttpFailure(404, `user ${params['username']} is not a member of org ${organization.slug}`)
  }
  if (member.role === 'owner') throw new HttpFailure(403, 'the owner cannot be removed')
  catalogue.organizations.deleteMember(organization.id, member.username)
  call.audit('org-member-rm', `member ${member.username} removed`, { username: member.username })
  return { member: member.username }
}

function listInvites(call: Call): { invites: WireInvite[] } {
  requireScalerPlan(call, 'Inviting members')
  return { invites: call.catalogue.organizations.invites(call.organization.id).map(toWireInvite) }
}

/** By exactly one of an address and a user name. */
function createInvite(call: Call) {
  requireScalerPlan(call, 'Inviting members')
  const { catalogue, organization, body, now } = call
  const role = readRole(body)
  const hasUsername = (optionalText(body, 'username') ?? '') !== ''
  const address = optionalText(body, 'email') ?? ''
  if (hasUsername === (address !== ''))
    throw new HttpFailure(400, 'exactly one of email and username is required')
  const email = hasUsername ? emailOf(readUsername(body)) : address
  if (!/^[^\s@/]{1,64}@[^\s@/]{1,190}$/.test(email)) throw new HttpFailure(400, 'invalid email')
  catalogue.organizations.saveInvite(organization.id, { email, role, createdAtMs: now() })
  call.audit('org-invite-create', `${email} invited`, { email, role })
  return { invited: { email, role, organization: organization.slug } }
}

function deleteInvite(call: Call): undefined {
  requireScalerPlan(call, 'Inviting members')
  const { catalogue, organization, params } = call
  const { email = '' } = params
  if (!catalogue.organizations.deleteInvite(organization.id, email)) {
    throw new HttpFailure(404, 'invite not found')
  }
  call.audit('org-invite-delete', `invite of ${email} withdrawn`, { email })
}

function readUsername(body: Fields): string {
  const username = requiredText(body, 'username')
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(username)) {
    throw new HttpFailure(404, `could not find user ${username}`)
  }
  return username
}

function readRole(body: Fields): Exclude<WireRole, 'owner'> {
  const { role } = body
  if (role === 'admin' || role === 'member' || role === 'viewer') return role
  throw new HttpFailure(400, 'invalid role')
}

/** Nobody has a real one; `.invalid` can never be delivered to. */
export function emailOf(username: string): string {
  return `${username}@users.invalid`
}

function toWireMember({ username, role, email }: Member): WireMember {
  return { username, role: role as WireRole, email }
}

function toWireInvite({ id, email, role, createdAtMs }: Invite): WireInvite {
  return { id, email, role: role as WireInvite['role'], created_at: toWireTime(createdAtMs) }
}
