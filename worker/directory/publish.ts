/** Writes one delivery of a Tenant object to the directory, in one transaction. */
import type { AuditEntry } from './audit.ts'
import type { Publication, Receipt } from './outbox.ts'
import { withTables } from './schema.ts'

/**
 * Only what is newer than what is there is written, so a delivery may come twice, late, or not at all.
 *
 * @throws what D1 throws, and when it does not answer: it may still come to pass
 */
export async function publish(directory: D1Database, publication: Publication): Promise<Receipt> {
  const statements = statementsOf(publication).map(([sql, args]) => directory.prepare(sql).bind(...args))
  const results = await withTables(directory, () =>
    directory.batch<{ is_current: number; revision: number | null }>(statements),
  )
  const receipt = results.at(-1)?.results[0]
  // Taken for a refusal it would be sent again at once, over and over.
  if (receipt?.is_current === undefined) throw new Error('D1 has answered fewer statements than it was sent')
  return { isCurrent: receipt.is_current === 1, revision: receipt.revision ?? 0 }
}

type Bound = readonly [sql: string, args: (string | number | null)[]]

function statementsOf({ tenant, revision, row, audit }: Publication): Bound[] {
  return [
    ...(audit.length === 0 ? [] : [additions(audit)]),
    ...(row === null ? absence(tenant, revision) : presence(tenant, revision, row)),
    [
      `select max(revision) as revision, max(revision = ?2 and database is ?3) as is_current
       from (select revision, database from tenants where id = ?1
       union all select revision, null from forgotten where id = ?1)`,
      [tenant, revision, row?.database ?? null],
    ],
  ]
}

/** However many there are, it is one statement: D1 counts them. */
function additions(audit: readonly AuditEntry[]): Bound {
  const values = ['id', 'actor', 'action', 'tenant', 'requestId', 'outcome', 'session'].map(
    (member) => `value ->> '${member}'`,
  )
  return [
    `insert into audit (id, actor, action, tenant, request_id, outcome, session, repeats)
     select ${values.join()}, coalesce(value ->> 'repeats', 0) from json_each(?) where true
     on conflict (id) do update set repeats = max(repeats, excluded.repeats)`,
    [JSON.stringify(audit)],
  ]
}

function absence(tenant: string, revision: number): Bound[] {
  return [
    ['delete from tenants where id = ? and revision < ?', [tenant, revision]],
    [
      `insert into forgotten (id, revision, at) values (?, ?, ?) on conflict (id)
       do update set revision = excluded.revision, at = excluded.at where excluded.revision > revision`,
      [tenant, revision, Date.now()],
    ],
    ['delete from orphans where tenant = ?1 and not exists (select 1 from tenants where id = ?1)', [tenant]],
  ]
}

function presence(tenant: string, revision: number, row: NonNullable<Publication['row']>): Bound[] {
  const { name, status, group, location, database, schemaVersion, createdAt, expectedBy } = row
  const isCurrent = 'exists (select 1 from tenants where id = ?1 and revision = ?2)'
  return [
    [
      `insert into tenants (id, revision, name, status, group_name, location, database, schema_version,
         created_at, published_at, expected_by)
       select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
       where not exists (select 1 from forgotten where id = ?1 and revision >= ?2)
       on conflict (id) do update set revision = excluded.revision, name = excluded.name,
         status = excluded.status, group_name = excluded.group_name, location = excluded.location,
         database = excluded.database, schema_version = excluded.schema_version,
         created_at = excluded.created_at, published_at = excluded.published_at,
         expected_by = excluded.expected_by
       where excluded.revision > revision`,
      [
        tenant,
        revision,
        name,
        status,
        group,
        location,
        database,
        schemaVersion,
        createdAt,
        Date.now(),
        expectedBy,
      ],
    ],
    ['delete from forgotten where id = ? and revision < ?', [tenant, revision]],
    // What somebody has found and nobody knew is known now.
    [
      `delete from orphans where (tenant = ?1 or database = ?3) and ${isCurrent}`,
      [tenant, revision, database],
    ],
    [
      `insert or replace into orphans (tenant, database, since, attempts, next_attempt_at)
       select ?1, value ->> 'name', value ->> 'since', value ->> 'attempts', value ->> 'retryAt'
       from json_each(?3) where ${isCurrent}`,
      [tenant, revision, JSON.stringify(row.orphans)],
    ],
  ]
}
