/** What the Worker knows of its tenants, in D1. */
import path from 'node:path'

const root = path.join(import.meta.dirname, '../../..')

interface Directory {
  prepare: (sql: string) => { bind: (...args: number[]) => { run: () => Promise<unknown> } }
}

/** As if that many tenants had signed up. */
export async function fillDirectory(directory: Directory, tenants: number): Promise<void> {
  // By a path that TypeScript does not follow: the Worker's files are checked under its own globals, not Node's.
  const file = path.join(root, 'worker/directory/schema.ts')
  const { migrateDirectory }: { migrateDirectory: (directory: Directory) => Promise<void> } = await import(
    file
  )
  await migrateDirectory(directory)
  await directory
    .prepare(
      `with recursive n (i) as (select 0 union all select i + 1 from n where i < ?1 - 1)
       insert into tenants (id, revision, name, status, group_name, location, database, schema_version, created_at,
         published_at)
       select printf('customer-%06d', i), 1, 'Customer ' || i, 'active', 'default', 'here',
         printf('customer-%06d-abcdefghij', i), 1, '2026-11-28T00:00:00.000Z', 0 from n where i < ?1`,
    )
    .bind(tenants)
    .run()
}
