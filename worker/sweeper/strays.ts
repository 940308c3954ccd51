/**
 * Walks through all databases of the organization, some pages a run, and notes those that have a name of ours and that no
 * tenant is known to have. It only notes them: the directory may be behind, and another deployment may be at work in the
 * same organization.
 */
import type { Databases } from '../../src/index.ts'
import { dropOrphan } from '../directory/orphans.ts'
import { MAX_LIST_PAGES, MAX_STRAYS_SOUGHT, STRAYS_PAGE } from '../limits.ts'
import { DATABASE_NAME } from '../tenant-name.ts'
import { describeFailure } from '../saga/failure.ts'
import { performerFor } from '../saga/performer.ts'
import { log } from '../log.ts'

/** In the table `sweeper`, under `strays`. */
export interface Walk {
  cursor: string | null
  /** `null`: not yet. */
  startedAt: number | null
  /** Of the latest walk that has come to its end. */
  completedAt: number | null
  /** Pages so far. */
  pages: number
  /** The cursor of one of them: a list that comes back to it goes round in circles. */
  mark: string | null
}

const BEGINNING = { cursor: null, startedAt: null, pages: 0, mark: null }

export async function findStrays(
  env: Env,
  now: number,
  limit = STRAYS_PAGE,
): Promise<{ databases: number; found: number }> {
  const { DIRECTORY } = env
  const { databases } = performerFor(env, undefined, true)
  const counts = { databases: 0, found: 0 }
  let walk: Walk = { ...BEGINNING, completedAt: null, ...(await readWalk(DIRECTORY)) }
  for (let pages = 0; pages < MAX_LIST_PAGES; pages++) {
    const page = await databases
      .list({ limit })
      .page(walk.cursor ?? undefined)
      .catch(async (error: unknown) => {
        // Perhaps of the cursor, which would be refused each time.
        if (describeFailure(error).reason === 'refused')
          await note(DIRECTORY, [], now, { ...walk, ...BEGINNING })
        throw error
      })
    const names = page.items.map(({ name }) => name).filter((name) => DATABASE_NAME.test(name))
    const startedAt = walk.startedAt ?? now
    walk = onward({ ...walk, startedAt }, page.next, now)
    counts.databases += page.items.length
    counts.found += await note(DIRECTORY, names, now, walk)
    if (page.next === null) await dropGone(DIRECTORY, databases, startedAt, now)
    else if (walk.cursor === null) log('warn', 'strays_walk_circular')
    if (walk.cursor === null) break
  }
  return counts
}

/**
 * The mark moves on after 1, 2, 4, 8 … pages, so that it is within every circle sooner or later (Brent). What a circle
 * leaves out nobody knows: such a walk has no end, and begins anew.
 */
function onward(walk: Walk, next: string | null, now: number): Walk {
  if (next === null) return { ...BEGINNING, completedAt: now }
  if (next === walk.mark) return { ...walk, ...BEGINNING }
  const pages = walk.pages + 1
  return { ...walk, cursor: next, pages, mark: Number.isInteger(Math.log2(pages)) ? next : walk.mark }
}

export async function readWalk(directory: D1Database): Promise<Walk | null> {
  const value = await directory
    .prepare("select value from sweeper where name = 'strays'")
    .first<string>('value')
  return value === null ? null : (JSON.parse(value) as Walk)
}

/** @returns how many are new */
async function note(directory: D1Database, names: string[], now: number, walk: Walk): Promise<number> {
  const list = JSON.stringify(names)
  const [inserted] = await directory.batch([
    directory
      .prepare(
        `insert into orphans (database, since, seen_at) select value, ?2, ?2 from json_each(?1)
         where not exists (select 1 from tenants where database = value)
           and not exists (select 1 from orphans where database = value)`,
      )
      .bind(list, now),
    directory
      .prepare(
        'update orphans set seen_at = ? where tenant is null and database in (select value from json_each(?))',
      )
      .bind(now, list),
    directory
      .prepare("insert or replace into sweeper (name, value) values ('strays', ?)")
      .bind(JSON.stringify(walk)),
  ])
  return inserted?.meta.changes ?? 0
}

/**
 * What a walk has not come across is looked for by its name: lists leave out what moves while they are read, or all of it, and
 * with its row would go since when it is known, and that an operator ignores it.
 */
async function dropGone(
  directory: D1Database,
  databases: Databases,
  startedAt: number,
  now: number,
): Promise<void> {
  const { results } = await directory
    .prepare('select database from orphans where tenant is null and seen_at < ? limit ?')
    .bind(startedAt, MAX_STRAYS_SOUGHT)
    .all<{ database: string }>()
  for (const { database } of results)
    try {
      await databases.retrieve(database)
      await directory.prepare('update orphans set seen_at = ? where database = ?').bind(now, database).run()
    } catch (error) {
      if (describeFailure(error).reason !== 'missing') throw error
      await dropOrphan(directory, database)
    }
}
