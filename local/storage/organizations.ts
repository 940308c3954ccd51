/** Organizations with their members, invites and key sets. */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../engine/engine.ts'
import type { EngineValue } from '../engine/values.ts'
import type { Invite, KeySet, Member, OrganizationRecord } from './records.ts'

export interface Organizations {
  /** The one that the local Turso was started with. */
  readonly primary: () => OrganizationRecord
  list(): OrganizationRecord[]
  find(slug: string): OrganizationRecord | undefined
  findById(id: string): OrganizationRecord | undefined
  /** Makes an organization; nobody else has its slug. */
  create(slug: string, owner: Member): OrganizationRecord
  /** Removes an organization without groups. */
  delete(id: string): void
  /** The deleted ones that can be restored count as well. */
  hasGroups(id: string): boolean
  update(
    id: string,
    changes: Partial<Pick<OrganizationRecord, 'overages' | 'requireMfa' | 'restoreEnabled'>>,
  ): void

  members(id: string): Member[]
  findMember(id: string, username: string): Member | undefined
  /** Adds a member, or changes the one of that username. */
  saveMember(id: string, member: Member): void
  deleteMember(id: string, username: string): void

  invites(id: string): Invite[]
  /** Adds an invite, or renews the one of that address. */
  saveInvite(id: string, invite: Omit<Invite, 'id'>): void
  /** `false` when there is none. */
  deleteInvite(id: string, email: string): boolean

  keySets(id: string): KeySet[]
  saveKeySet(id: string, keySet: KeySet): void
  deleteKeySet(id: string, name: string): void
}

/** Throws an `Error` when the primary organization cannot have this slug because another one does. */
export function createOrganizations({ query }: Connection, slug: string, owner: Member): Organizations {
  const select = (where: string, values: EngineValue[] = []) =>
    query(`${SELECT} ${where}`, values).map(toOrganization)

  const saveMember: Organizations['saveMember'] = (id, { username, role, email }) => {
    query(
      `insert into members (organization_id, username, role, email) values (?, ?, ?, ?)
        on conflict do update set role = excluded.role, email = excluded.email`,
      [id, username, role, email],
    )
  }

  // Its slug is an option of every start, not data.
  const [other] = select('where slug = ? and not is_primary', [slug])
  if (other) throw new Error(`it has another organization "${slug}"`)
  query('update organizations set slug = ? where is_primary and slug <> ?', [slug, slug])
  const [{ id: primaryId } = { id: '' }] = select('where is_primary')
  const hasOwner = query(`select 1 from members where organization_id = ? and role = 'owner'`, [primaryId])
  if (hasOwner.length === 0) saveMember(primaryId, owner)

  return {
    primary: () => select('where is_primary')[0]!,
    list: () => select('order by is_primary desc, slug'),
    find: (slug) => select('where slug = ?', [slug])[0],
    findById: (id) => select('where id = ?', [id])[0],
    create(slug, founder) {
      const id = randomUUID()
      query('insert into organizations (id, slug, is_primary) values (?, ?, 0)', [id, slug])
      saveMember(id, founder)
      return select('where id = ?', [id])[0]!
    },
    delete(id) {
      for (const table of ['members', 'invites', 'key_sets', 'audit_logs', 'api_tokens']) {
        query(`delete from ${table} where organization_id = ?`, [id])
      }
      query('delete from organizations where id = ?', [id])
    },
    hasGroups: (id) => query('select 1 from groups where organization_id = ? limit 1', [id]).length > 0,
    update(id, { overages, requireMfa, restoreEnabled }) {
      query(
        `update organizations set overages = coalesce(?, overages), require_mfa = coalesce(?, require_mfa),
          restore_enabled = coalesce(?, restore_enabled) where id = ?`,
        [flag(overages), flag(requireMfa), flag(restoreEnabled), id],
      )
    },

    members: (id) => query(`${SELECT_MEMBER} where organization_id = ?`, [id]).map(toMember),
    findMember: (id, username) =>
      query(`${SELECT_MEMBER} where organization_id = ? and username = ?`, [id, username]).map(toMember)[0],
    saveMember,
    deleteMember(id, username) {
      query('delete from members where organization_id = ? and username = ?', [id, username])
    },

    invites: (id) =>
      query('select id, email, role, created_at_ms from invites where organization_id = ? order by id', [
        id,
      ]).map(([inviteId, email, role, createdAtMs]) => ({
        id: Number(inviteId),
        email: email as string,
        role: role as string,
        createdAtMs: Number(createdAtMs),
      })),
    saveInvite(id, { email, role, createdAtMs }) {
      query(
        `insert into invites (organization_id, email, role, created_at_ms) values (?, ?, ?, ?)
          on conflict (organization_id, email) do update set role = excluded.role`,
        [id, email, role, BigInt(createdAtMs)],
      )
    },
    deleteInvite: (id, email) =>
      query('delete from invites where organization_id = ? and email = ? returning id', [id, email]).length >
      0,

    keySets: (id) =>
      query('select name, url from key_sets where organization_id = ?', [id]).map(([name, url]) => ({
        name: name as string,
        url: url as string,
      })),
    saveKeySet(id, { name, url }) {
      query('insert or replace into key_sets (organization_id, name, url) values (?, ?, ?)', [id, name, url])
    },
    deleteKeySet(id, name) {
      query('delete from key_sets where organization_id = ? and name = ?', [id, name])
    },
  }
}

const SELECT = 'select id, slug, overages, require_mfa, restore_enabled from organizations'
const SELECT_MEMBER = 'select username, role, email from members'

function toOrganization([id, slug, overages, requireMfa, restoreEnabled]: EngineValue[]): OrganizationRecord {
  return {
    id: id as string,
    slug: slug as string,
    overages: overages === 1n,
    requireMfa: requireMfa === 1n,
    restoreEnabled: restoreEnabled === 1n,
  }
}

function toMember([username, role, email]: EngineValue[]): Member {
  return { username: username as string, role: role as string, email: email as string }
}

/** `null` leaves a column as it is. */
function flag(value: boolean | undefined): bigint | null {
  return value === undefined ? null : value ? 1n : 0n
}
