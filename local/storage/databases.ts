/** Databases and their files. What is deleted keeps both until it cannot be restored any more. */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../engine/engine.ts'
import type { EngineValue } from '../engine/values.ts'
import type { DataFolder } from './data-folder.ts'
import type { DatabaseRecord, Group, Page } from './records.ts'

/** What may be changed of a database. What is left out stays as it is. */
export type DatabaseChanges = Partial<
  Pick<
    DatabaseRecord,
    | 'blockReads'
    | 'blockWrites'
    | 'deleteProtection'
    | 'allowAttach'
    | 'sizeLimit'
    | 'allowedIps'
    | 'allowedAwsVpcIds'
  >
>

export interface NewDatabase {
  readonly name: string
  readonly group: Group
  /** Copies its file as it is at this moment. */
  readonly source?: DatabaseRecord
  readonly isDraft?: boolean
  readonly sizeLimit?: string
  readonly createdAtMs: number
}

/** Which databases of an organization, and which part of them. */
export interface DatabaseQuery {
  readonly organizationId: string
  readonly groupId?: string | undefined
  readonly parentId?: string | undefined
  /** The deleted ones instead of the live ones. */
  readonly isDeleted?: boolean
  /** A part of the name, the id, the host name or the group. */
  readonly search?: string | undefined
  /** Only those whose key follows this one: the name, or the id of a deleted one. */
  readonly after?: string
  readonly limit: number
}

export interface Databases {
  find(organizationId: string, name: string): DatabaseRecord | undefined
  /** A live database by its id. */
  findById(id: string): DatabaseRecord | undefined
  /** By the name and the organization that its host name is made of, the former one of a transferred group included. */
  findByLabel(organizationSlug: string, name: string): DatabaseRecord | undefined
  findDeleted(id: string): DatabaseRecord | undefined
  list(query: DatabaseQuery): Page<DatabaseRecord>
  inGroup(groupId: string): DatabaseRecord[]
  /** Those that were deleted along with their group. */
  deletedWith(group: Group): DatabaseRecord[]
  count(organizationId: string): number
  /** When a database of this name was last deleted, if it is still known. */
  lastDeletedAtMs(organizationId: string, name: string): number | undefined
  /** Makes the file first and the row last, so that a crash leaves no half-made database. */
  create(database: NewDatabase): DatabaseRecord
  update(id: string, changes: DatabaseChanges): void
  /** Makes its tokens worthless. */
  rotate(id: string): void
  /** The file of a draft is there. */
  endDraft(id: string): void
  /** Marks it as deleted. Connections to it must be closed. */
  delete(id: string, atMs: number): void
  /** Makes a deleted database live again, under a name that is free. */
  restore(id: string, name: string): void
  /** Removes the rows of what was deleted until a time, and returns their ids: the files go last. */
  purge(untilMs: number): string[]
}

export function createDatabases({ query }: Connection, folder: DataFolder): Databases {
  const select = (where: string, values: EngineValue[]) => query(`${SELECT} ${where}`, values).map(toDatabase)

  return {
    find: (organizationId, name) =>
      select('where d.organization_id = ? and d.name = ? and d.deleted_at_ms is null', [
        organizationId,
        name,
      ])[0],
    findById: (id) => select('where d.id = ? and d.deleted_at_ms is null', [id])[0],
    findByLabel: (slug, name) =>
      select('where o.slug = ? and d.name = ? and d.deleted_at_ms is null', [slug, name])[0] ??
      select('where d.former_slug = ? and d.name = ? and d.deleted_at_ms is null', [slug, name])[0],
    findDeleted: (id) => select('where d.id = ? and d.deleted_at_ms is not null', [id])[0],
    list({ organizationId, groupId, parentId, isDeleted = false, search, after = '', limit }) {
      const key = isDeleted ? 'd.id' : 'd.name'
      const rows = select(
        `where d.organization_id = ?1 and ${key} > ?2 and d.deleted_at_ms is ${isDeleted ? 'not' : ''} null
          and (?3 is null or d.group_id = ?3) and (?4 is null or d.parent_id = ?4)
          and (?5 is null or instr(d.name || ' ' || d.id || ' ' || o.slug || ' ' || g.name, ?5))
          order by ${key} limit ?6`,
        [organizationId, after, groupId ?? null, parentId ?? null, search ?? null, BigInt(limit + 1)],
      )
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return { rows: page, next: rows.length > limit ? (isDeleted ? last?.id : last?.name) : undefined }
    },
    inGroup: (groupId) =>
      select('where d.group_id = ? and d.deleted_at_ms is null order by d.name', [groupId]),
    deletedWith: ({ id, deletedAtMs }) =>
      select('where d.group_id = ? and d.deleted_at_ms = ? order by d.name', [id, BigInt(deletedAtMs ?? 0)]),
    count: (organizationId) =>
      Number(
        query('select count(*) from databases where organization_id = ? and deleted_at_ms is null', [
          organizationId,
        ])[0]?.[0],
      ),
    lastDeletedAtMs(organizationId, name) {
      const [[atMs] = []] = query(
        'select max(deleted_at_ms) from databases where organization_id = ? and name = ?',
        [organizationId, name],
      )
      return typeof atMs === 'bigint' ? Number(atMs) : undefined
    },
    create({ name, group, source, isDraft = false, sizeLimit = '', createdAtMs }) {
      const id = randomUUID()
      if (source) folder.copyDatabase(source.id, id)
      else folder.createDatabase(id)
      query(
        `insert into databases (id, organization_id, group_id, name, rotation_id, parent_id, parent_name, is_draft,
          size_limit, created_at_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        [
          id,
          group.organizationId,
          group.id,
          name,
          randomUUID(),
          source?.id ?? null,
          source?.name ?? null,
          BigInt(isDraft),
          sizeLimit,
          BigInt(createdAtMs),
        ],
      )
      return select('where d.id = ?', [id])[0]!
    },
    update(id, changes) {
      for (const [field, column] of Object.entries(CHANGEABLE)) {
        const value = changes[field as keyof DatabaseChanges]
        if (value === undefined) continue
        query(`update databases set ${column} = ? where id = ?`, [toColumn(value), id])
      }
    },
    rotate(id) {
      query('update databases set rotation_id = ? where id = ?', [randomUUID(), id])
    },
    endDraft(id) {
      query('update databases set is_draft = 0 where id = ?', [id])
    },
    delete(id, atMs) {
      query('update databases set deleted_at_ms = ? where id = ?', [BigInt(atMs), id])
    },
    restore(id, name) {
      query('update databases set deleted_at_ms = null, name = ? where id = ?', [name, id])
    },
    purge(untilMs) {
      const ids = query('select id from databases where deleted_at_ms <= ?', [BigInt(untilMs)])
      for (const [id = null] of ids) {
        query('delete from usage where database_id = ?', [id])
        query('delete from databases where id = ?', [id])
      }
      return ids.map(([id]) => id as string)
    },
  }
}

const CHANGEABLE: Record<keyof DatabaseChanges, string> = {
  blockReads: 'block_reads',
  blockWrites: 'block_writes',
  deleteProtection: 'delete_protection',
  allowAttach: 'allow_attach',
  sizeLimit: 'size_limit',
  allowedIps: 'allowed_ips',
  allowedAwsVpcIds: 'allowed_aws_vpc_ids',
}

function toColumn(value: NonNullable<DatabaseChanges[keyof DatabaseChanges]>): EngineValue {
  if (typeof value === 'boolean') return BigInt(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const SELECT = `select d.id, d.name, o.id, o.slug, g.id, g.name, g.location, g.replicas, d.rotation_id, g.rotation_id,
    d.parent_id, d.parent_name, d.is_draft, d.block_reads, d.block_writes, d.delete_protection, d.allow_attach,
    d.size_limit, d.allowed_ips, d.allowed_aws_vpc_ids, d.created_at_ms, d.deleted_at_ms, g.deleted_at_ms
  from databases d join groups g on g.id = d.group_id join organizations o on o.id = d.organization_id`

function toDatabase(row: EngineValue[]): DatabaseRecord {
  const text = (column: number) => row[column] as string
  const flag = (column: number) => row[column] === 1n
  const list = (column: number) => JSON.parse(text(column)) as string[]
  const time = (column: number) => (row[column] === null ? undefined : Number(row[column]))
  const label = `${text(1)}-${text(3)}`
  return {
    id: text(0),
    name: text(1),
    organizationId: text(2),
    organizationSlug: text(3),
    groupId: text(4),
    group: text(5),
    location: text(6),
    replicas: list(7),
    label,
    hostname: hostnameOf(label, text(6)),
    rotationId: text(8),
    groupRotationId: text(9),
    parent: row[10] === null ? undefined : { id: text(10), name: text(11) },
    isDraft: flag(12),
    blockReads: flag(13),
    blockWrites: flag(14),
    deleteProtection: flag(15),
    allowAttach: flag(16),
    sizeLimit: text(17),
    allowedIps: list(18),
    allowedAwsVpcIds: list(19),
    createdAtMs: Number(row[20]),
    deletedAtMs: time(21),
    groupDeletedAtMs: time(22),
  }
}

/** On AWS a host name has the location in it, on the older servers it does not. */
export function hostnameOf(label: string, location: string): string {
  return location.startsWith('aws-') ? `${label}.${location}.turso.io` : `${label}.turso.io`
}
