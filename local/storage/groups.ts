/** Groups, the deleted ones included until they cannot be restored any more. */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../engine/engine.ts'
import type { EngineValue } from '../engine/values.ts'
import type { Group, Page } from './records.ts'

export interface Groups {
  list(organizationId: string): Group[]
  find(organizationId: string, name: string): Group | undefined
  /** A live group by its id. */
  findById(id: string): Group | undefined
  /** A group that is deleted but may be restored. */
  findDeleted(id: string): Group | undefined
  /** The deleted ones by their id, with the number of databases that were deleted along with each. */
  listDeleted(
    organizationId: string,
    after: string,
    limit: number,
  ): Page<Group & { readonly cascadeDatabases: number }>
  create(organizationId: string, name: string, location: string): Group
  update(id: string, changes: Partial<Pick<Group, 'name' | 'deleteProtection' | 'replicas'>>): void
  /** Makes its tokens worthless, and those of its databases. */
  rotate(id: string): void
  /** Gives the group and its databases, the deleted ones included, to another organization. */
  transfer(group: Group, organizationId: string): void
  /** Marks the group and its live databases as deleted. Connections to them must be closed. */
  delete(id: string, atMs: number): void
  /** Makes a deleted group live again, but none of its databases. */
  restore(id: string): void
  /** Forgets the groups that were deleted until a time and have no databases left. */
  purge(untilMs: number): void
}

export function createGroups({ query }: Connection): Groups {
  const select = (where: string, values: EngineValue[]) => query(`${SELECT} ${where}`, values).map(toGroup)

  const rotate = (id: string) => {
    query('update groups set rotation_id = ? where id = ?', [randomUUID(), id])
    query('update databases set rotation_id = ? where group_id = ?', [randomUUID(), id])
  }

  return {
    list: (organizationId) =>
      select('where organization_id = ? and deleted_at_ms is null order by name', [organizationId]),
    find: (organizationId, name) =>
      select('where organization_id = ? and name = ? and deleted_at_ms is null', [organizationId, name])[0],
    findById: (id) => select('where id = ? and deleted_at_ms is null', [id])[0],
    findDeleted: (id) => select('where id = ? and deleted_at_ms is not null', [id])[0],
    listDeleted(organizationId, after, limit) {
      const rows = query(
        `${SELECT_DELETED} where g.organization_id = ? and g.deleted_at_ms is not null and g.id > ?
          order by g.id limit ?`,
        [organizationId, after, BigInt(limit + 1)],
      ).map((row) => ({ ...toGroup(row), cascadeDatabases: Number(row.at(-1)) }))
      const page = rows.slice(0, limit)
      return { rows: page, next: rows.length > limit ? page.at(-1)?.id : undefined }
    },
    create(organizationId, name, location) {
      const id = randomUUID()
      query('insert into groups (id, organization_id, name, location, rotation_id) values (?, ?, ?, ?, ?)', [
        id,
        organizationId,
        name,
        location,
        randomUUID(),
      ])
      return select('where id = ?', [id])[0]!
    },
    update(id, { name, deleteProtection, replicas }) {
      query(
        `update groups set name = coalesce(?, name), delete_protection = coalesce(?, delete_protection),
          replicas = coalesce(?, replicas) where id = ?`,
        [
          name ?? null,
          deleteProtection === undefined ? null : BigInt(deleteProtection),
          replicas ? JSON.stringify(replicas) : null,
          id,
        ],
      )
    },
    rotate,
    transfer({ id, organizationId }, newOrganizationId) {
      query('update groups set organization_id = ? where id = ?', [newOrganizationId, id])
      query(
        `update databases set organization_id = ?,
          former_slug = (select slug from organizations where id = ?) where group_id = ?`,
        [newOrganizationId, organizationId, id],
      )
    },
    delete(id, atMs) {
      const time = BigInt(atMs)
      query('update databases set deleted_at_ms = ? where group_id = ? and deleted_at_ms is null', [time, id])
      query('update groups set deleted_at_ms = ? where id = ?', [time, id])
      // Platform tokens that are pinned to it are revoked with it.
      query('delete from api_tokens where group_id = ?', [id])
    },
    restore(id) {
      query('update groups set deleted_at_ms = null where id = ?', [id])
    },
    purge(untilMs) {
      query(`delete from groups where deleted_at_ms <= ? and id not in (select group_id from databases)`, [
        BigInt(untilMs),
      ])
    },
  }
}

const COLUMNS = `g.id, g.organization_id, g.name, g.location, g.replicas, g.delete_protection, g.rotation_id,
  g.deleted_at_ms`
const SELECT = `select ${COLUMNS} from groups g`
const SELECT_DELETED = `select ${COLUMNS},
  (select count(*) from databases d where d.group_id = g.id and d.deleted_at_ms = g.deleted_at_ms)
  from groups g`

function toGroup(row: EngineValue[]): Group {
  const [id, organizationId, name, location, replicas, deleteProtection, rotationId, deletedAtMs] = row
  return {
    id: id as string,
    organizationId: organizationId as string,
    name: name as string,
    location: location as string,
    replicas: JSON.parse(replicas as string) as string[],
    deleteProtection: deleteProtection === 1n,
    rotationId: rotationId as string,
    deletedAtMs: deletedAtMs === null ? undefined : Number(deletedAtMs),
  }
}
