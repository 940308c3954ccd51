/** The directory's tables in D1, and how they come about: by whoever finds that they are not there. */
import { answerWithin } from '../deadline.ts'
import { DIRECTORY_TIMEOUT_MS } from '../limits.ts'

/** Version by version, each applied at most once, whole or not at all. Only ever added to. */
const VERSIONS: readonly (readonly string[])[] = [
  [
    `create table tenants (
      seq integer primary key autoincrement,
      id text not null unique,
      revision integer not null,
      name text,
      status text not null,
      group_name text not null,
      location text not null,
      database text not null,
      schema_version integer not null,
      created_at text not null,
      published_at integer not null,
      expected_by integer)`,
    'create index tenants_by_status on tenants (status, id)',
    'create index tenants_by_group on tenants (group_name, id)',
    'create index tenants_by_group_and_status on tenants (group_name, status, id)',
    'create index tenants_by_database on tenants (database)',
    'create index tenants_by_expectation on tenants (expected_by) where expected_by is not null',
    // What a tenant that is gone leaves: late deliveries about it must not bring it back.
    'create table forgotten (id text primary key, revision integer not null, at integer not null) without rowid',
    'create index forgotten_by_time on forgotten (at)',
    // Two marks before each text, so that its first one and two characters have a trigram too.
    `create virtual table tenant_search using fts5 (text, content='', tokenize='trigram')`,
    `create trigger tenant_search_insert after insert on tenants begin
      insert into tenant_search (rowid, text) values (new.seq, ${searchable('new')});
    end`,
    `create trigger tenant_search_update after update of id, name, database on tenants
      when old.name is not new.name or old.database is not new.database begin
      insert into tenant_search (tenant_search, rowid, text) values ('delete', old.seq, ${searchable('old')});
      insert into tenant_search (rowid, text) values (new.seq, ${searchable('new')});
    end`,
    `create trigger tenant_search_delete after delete on tenants begin
      insert into tenant_search (tenant_search, rowid, text) values ('delete', old.seq, ${searchable('old')});
    end`,
    // Counting 100,000 rows at each look would not be flat.
    'create table tenant_counts (status text primary key, tenants integer not null) without rowid',
    `create trigger tenant_counts_insert after insert on tenants begin ${count('new', 1)} end`,
    `create trigger tenant_counts_update after update of status on tenants
      when old.status is not new.status begin ${count('old', -1)} ${count('new', 1)} end`,
    `create trigger tenant_counts_delete after delete on tenants begin ${count('old', -1)} end`,
    `create table orphans (
      database text primary key,
      tenant text,
      since integer not null,
      attempts integer not null default 0,
      next_attempt_at integer,
      seen_at integer,
      ignored_at integer) without rowid`,
    'create index orphans_by_tenant on orphans (tenant) where tenant is not null',
    `create table audit (
      id text primary key,
      actor text not null,
      action text not null,
      tenant text,
      database text,
      request_id text,
      outcome text not null) without rowid`,
    'create index audit_by_tenant on audit (tenant, id)',
    'create index audit_by_actor on audit (actor, id)',
    'create index audit_by_action on audit (action, id)',
    'create table sweeper (name text primary key, value text not null) without rowid',
  ],
  ['create table live_tenants (tenant text primary key, since integer not null) without rowid'],
  ['alter table audit add column repeats integer not null default 0'],
  ['alter table audit add column session text'],
]

/** Begins each searchable text twice; no text has it. */
export const MARK = '\u0002'

function searchable(row: 'old' | 'new'): string {
  const texts = ['id', 'name', 'database'].map((column) => `coalesce(char(2, 2) || ${row}.${column}, '')`)
  return texts.join(' || char(10) || ')
}

function count(row: 'old' | 'new', by: 1 | -1): string {
  return `insert into tenant_counts (status, tenants) values (${row}.status, ${by})
    on conflict (status) do update set tenants = tenants + ${by};`
}

/** Brings the tables up to date. Any number of isolates may do so at once. */
export async function migrateDirectory(directory: D1Database): Promise<void> {
  await directory.exec('create table if not exists directory_versions (version integer primary key)')
  for (;;) {
    const version = await readVersion(directory)
    const statements = VERSIONS[version]
    if (statements === undefined) return
    const all = [...statements, `insert into directory_versions (version) values (${version + 1})`]
    try {
      await directory.batch(all.map((sql) => directory.prepare(sql)))
    } catch (error) {
      // Somebody else was first.
      if ((await readVersion(directory)) <= version) throw error
    }
  }
}

async function readVersion(directory: D1Database): Promise<number> {
  const sql = 'select coalesce(max(version), 0) as version from directory_versions'
  return (await directory.prepare(sql).first<number>('version')) ?? 0
}

/**
 * Runs something that needs the tables, and makes them if they turn out to be missing.
 *
 * @throws what D1 throws, and after five seconds: D1 takes no signal, so what has gone out may still come to pass
 */
export async function withTables<T>(directory: D1Database, action: () => Promise<T>): Promise<T> {
  return await answerWithin(DIRECTORY_TIMEOUT_MS, attempt())

  async function attempt(): Promise<T> {
    try {
      return await action()
    } catch (error) {
      if (!/no such (table|column)|has no column named/i.test(String(error))) throw error
      await migrateDirectory(directory)
      return await action()
    }
  }
}
