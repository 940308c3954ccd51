/** Which tenants have sessions: written when the first begins and when the last has ended, not for each. */
import { withTables } from './schema.ts'

export async function markLive(directory: D1Database, tenant: string, now: number): Promise<void> {
  await withTables(directory, () =>
    directory
      .prepare('insert into live_tenants (tenant, since) values (?, ?) on conflict do nothing')
      .bind(tenant, now)
      .run(),
  )
}

export async function unmarkLive(directory: D1Database, tenant: string): Promise<void> {
  await withTables(directory, () =>
    directory.prepare('delete from live_tenants where tenant = ?').bind(tenant).run(),
  )
}

/** In order, from this one on. */
export async function listLive(directory: D1Database, from: string, limit: number): Promise<string[]> {
  const { results } = await directory
    .prepare('select tenant from live_tenants where tenant >= ? order by tenant limit ?')
    .bind(from, limit)
    .all<{ tenant: string }>()
  return results.map(({ tenant }) => tenant)
}
