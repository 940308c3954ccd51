/** The tables of the catalogue, as the steps that lead from one version of its schema to the next. */
import { randomUUID } from 'node:crypto'
import type { Connection } from '../engine/engine.ts'
import { generateSigningKey } from '../tokens.ts'

/** `turs` in ASCII, which marks the file as ours. */
const APPLICATION_ID = 0x74757273n

/**
 * Brings the catalogue to the schema of today, in one transaction: after a crash it is as it was before.
 * Throws an `Error` that says why the file cannot be used.
 */
export function prepareSchema(connection: Connection): void {
  const [[applicationId] = []] = connection.query('pragma application_id')
  const [[version = 0n] = []] = connection.query('pragma user_version')
  const [[tables] = []] = connection.query('select count(*) from sqlite_schema')
  if (applicationId !== APPLICATION_ID && tables !== 0n) {
    throw new Error('it is not a catalogue of the local Turso')
  }
  if (Number(version) > STEPS.length) {
    throw new Error(`it has version ${String(version)}, this local Turso knows version ${STEPS.length}`)
  }
  const [[health] = []] = connection.query('pragma quick_check')
  if (health !== 'ok') throw new Error('it is damaged')

  if (tables === 0n) connection.run('pragma journal_mode = wal')
  const missing = STEPS.slice(tables === 0n ? 0 : Number(version))
  if (missing.length === 0) return
  connection.run('begin immediate')
  for (const step of missing) step(connection)
  connection.run(`pragma application_id = ${APPLICATION_ID}; pragma user_version = ${STEPS.length}; commit`)
}

/** What leads to version 1, to version 2, and so on. What has been released is never changed. */
const STEPS: readonly ((connection: Connection) => void)[] = [
  (connection) => {
    connection.run(`
      create table groups (id text primary key, name text not null unique, location text not null);
      create table databases (
        id text primary key,
        name text not null unique,
        group_id text not null references groups (id),
        created_at_ms integer not null
      );
      create table signing_key (pem text not null);
    `)
    connection.query('insert into signing_key (pem) values (?)', [generateSigningKey()])
  },

  // Organizations, and everything that the management API keeps. Tokens of version 1 have no rotation, hence ''.
  (connection) => {
    connection.run(ORGANIZATIONS)
    const organizationId = randomUUID()
    connection.query(`insert into organizations (id, slug, is_primary) values (?, '', 1)`, [organizationId])
    connection.run(`
      alter table groups rename to old_groups;
      alter table databases rename to old_databases;
      ${GROUPS_AND_DATABASES}
    `)
    connection.query(
      `insert into groups (id, organization_id, name, location) select id, ?, name, location from old_groups`,
      [organizationId],
    )
    connection.query(
      `insert into databases (id, organization_id, group_id, name, created_at_ms)
        select id, ?, group_id, name, created_at_ms from old_databases`,
      [organizationId],
    )
    connection.run('drop table old_databases; drop table old_groups')
  },
]

const ORGANIZATIONS = `
  create table organizations (
    id text primary key,
    slug text not null unique,
    is_primary integer not null,
    overages integer not null default 0,
    require_mfa integer not null default 0,
    restore_enabled integer not null default 1
  );
  create table members (
    organization_id text not null references organizations (id),
    username text not null,
    role text not null,
    email text not null,
    primary key (organization_id, username)
  ) without rowid;
  create table invites (
    id integer primary key autoincrement,
    organization_id text not null references organizations (id),
    email text not null,
    role text not null,
    created_at_ms integer not null,
    unique (organization_id, email)
  );
  create table key_sets (
    organization_id text not null references organizations (id),
    name text not null,
    url text not null,
    primary key (organization_id, name)
  ) without rowid;
  create table api_tokens (
    id text primary key,
    name text not null unique,
    organization_id text references organizations (id),
    group_id text,
    scopes text not null,
    created_at_ms integer not null
  );
  create table audit_logs (
    id integer primary key,
    organization_id text not null references organizations (id),
    code text not null,
    message text not null,
    origin text not null,
    author text not null,
    created_at_ms integer not null,
    data text not null
  );
  create index audit_logs_by_organization on audit_logs (organization_id, id);
  create table usage (
    database_id text not null,
    hour integer not null,
    rows_read integer not null,
    rows_written integer not null,
    primary key (database_id, hour)
  ) without rowid;
`

/** What is deleted keeps its row until it cannot be restored any more; only a live name is taken. */
const GROUPS_AND_DATABASES = `
  create table groups (
    id text primary key,
    organization_id text not null references organizations (id),
    name text not null,
    location text not null,
    replicas text not null default '[]',
    delete_protection integer not null default 0,
    rotation_id text not null default '',
    deleted_at_ms integer
  );
  create unique index groups_by_name on groups (organization_id, name) where deleted_at_ms is null;
  create table databases (
    id text primary key,
    organization_id text not null references organizations (id),
    group_id text not null references groups (id),
    name text not null,
    rotation_id text not null default '',
    parent_id text,
    parent_name text,
    is_draft integer not null default 0,
    block_reads integer not null default 0,
    block_writes integer not null default 0,
    delete_protection integer not null default 0,
    allow_attach integer not null default 0,
    size_limit text not null default '',
    allowed_ips text not null default '[]',
    allowed_aws_vpc_ids text not null default '[]',
    former_slug text,
    created_at_ms integer not null,
    deleted_at_ms integer
  );
  create unique index databases_by_name on databases (organization_id, name) where deleted_at_ms is null;
  create index databases_by_group on databases (group_id, name);
  create index databases_by_parent on databases (parent_id) where parent_id is not null;
  create index databases_by_former_slug on databases (former_slug, name) where former_slug is not null;
  create index databases_by_deletion on databases (deleted_at_ms) where deleted_at_ms is not null;
`
